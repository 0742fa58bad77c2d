#include "worker/serve/file_cache.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <string>
#include <utility>

#include "common/base/crash_point.h"
#include "common/base/open_beneath.h"
#include "common/http/date.h"
#include "common/shared/descriptor_motion.h"
#include "common/shared/descriptor_room.h"
#include "worker/connection/spool.h"

namespace baton::serve {

namespace {

constexpr Tick kRevalidateTicks = 10;  // one second

// Opens a file below `root`; -1: there is no such folder now. O_NONBLOCK, because to open a FIFO must not
// wait for its other end.
int open_below(int root, std::string_view path, int flags = 0) {
  if (root < 0) {
    errno = ENOENT;
    return -1;
  }
  const std::string name(path.empty() ? "." : path);
  for (int tries = 0; tries < 8; ++tries) {
    const int fd = open_with_room(
        [&] { return open_beneath(root, name.c_str(), O_RDONLY | O_NOCTTY | O_NONBLOCK | flags); });
    if (fd >= 0 || errno != EAGAIN) return fd;
  }
  return -1;
}

int status_of_errno(int error) {
  switch (error) {
    case ENOENT:
    case ENOTDIR:
    case ELOOP:
    case ENAMETOOLONG:
    case EXDEV:  // the path leads out of the root
    case ENXIO:  // a socket, or a device that does not exist
    case ENODEV: return 404;
    case EACCES:
    case EPERM: return 403;
    case EMFILE:
    case ENFILE:
    case ENOMEM: return 503;
    default: return 500;
  }
}

std::int64_t nanoseconds(const timespec& time) {
  return time.tv_sec * 1'000'000'000 + time.tv_nsec;
}

void describe(FileEntry& entry, const struct stat& status) {
  entry.kind = S_ISDIR(status.st_mode) ? FileKind::kDirectory : FileKind::kRegular;
  entry.size = static_cast<std::uint64_t>(status.st_size);
  entry.modified = status.st_mtim.tv_sec;
  entry.modified_ns = static_cast<std::uint32_t>(status.st_mtim.tv_nsec);
  entry.mode = status.st_mode;
  entry.device = status.st_dev;
  entry.inode = status.st_ino;
  entry.changed = nanoseconds(status.st_ctim);
  // Size, and time in nanoseconds, so that two versions of a file within one second differ.
  const int length = std::snprintf(entry.etag, sizeof entry.etag, "\"%llx-%llx\"",
                                   static_cast<unsigned long long>(nanoseconds(status.st_mtim)),
                                   static_cast<unsigned long long>(status.st_size));
  entry.etag_length = static_cast<std::uint8_t>(length);
  http::format_date(entry.modified, std::span<char, http::kDateLength>(entry.last_modified));
}

bool same_file(const FileEntry& entry, const struct stat& status) {
  return entry.device == status.st_dev && entry.inode == status.st_ino && entry.mode == status.st_mode &&
         entry.size == static_cast<std::uint64_t>(status.st_size) &&
         entry.modified == status.st_mtim.tv_sec &&
         entry.modified_ns == static_cast<std::uint32_t>(status.st_mtim.tv_nsec) &&
         entry.changed == nanoseconds(status.st_ctim);
}

}  // namespace

OpenFile FileCache::view(const FileEntry& entry) const {
  OpenFile file;
  file.kind = entry.kind;
  file.status = entry.kind == FileKind::kMissing ? 404 : 200;
  file.fd = entry.fd;
  file.size = entry.size;
  if (entry.kind == FileKind::kListing) {
    file.kind = FileKind::kRegular;
    file.size = entry.page_bytes;
  }
  file.modified = entry.modified;
  file.etag = entry.etag_view();
  file.last_modified = entry.last_modified_view();
  if (&entry != &private_) file.bytes = table_.bytes(entry);
  return file;
}

OpenFile FileCache::use(FileEntry& entry, Tick now) const {
  if (entry.used.load(std::memory_order_relaxed) != now) entry.used.store(now, std::memory_order_relaxed);
  return view(entry);
}

OpenFile FileCache::open(const Route& route, std::string_view path, Tick now, bool remember_missing) {
  drop();
  if (const auto replaced = route.root->follow(now)) table_.retire_all_of(*replaced, *flight_);
  if (FileEntry* entry = table_.find(route.root->view().key, path, *flight_)) {
    if (still_current(route, *entry, now)) return use(*entry, now);
    table_.retire(*entry);
    FileTable::unpin(*flight_);
  }
  return load(route, path, now, remember_missing);
}

bool FileCache::still_current(const Route& route, FileEntry& entry, Tick now) {
  Tick checked = entry.checked.load(std::memory_order_relaxed);
  if (now - checked < kRevalidateTicks || now < checked) return true;
  // One worker asks the file system; the others go on with the entry as it is.
  if (!entry.checked.compare_exchange_strong(checked, now, std::memory_order_relaxed)) return true;
  const DescriptorMotion motion(DescriptorMotion::Kind::kFile);
  if (!motion) return true;
  const StaticRoot::View root = route.root->view();
  if (root.key != entry.root_key) return false;  // the root was replaced this very moment
  if (entry.kind == FileKind::kListing && now >= entry.expires) return false;
  const UniqueFd fd(open_below(root.fd, entry.own_path()));
  struct stat status {};
  if (!fd || ::fstat(fd.get(), &status) != 0) return entry.kind == FileKind::kMissing;
  return entry.kind != FileKind::kMissing && same_file(entry, status);
}

OpenFile FileCache::load(const Route& route, std::string_view path, Tick now, bool remember_missing) {
  bump(counters_->files_opened);
  OpenFile failed;
  struct stat status {};
  // Lasts until the descriptor stands in the table or in the flight record.
  const DescriptorMotion motion(DescriptorMotion::Kind::kFile);
  if (!motion) {
    table_lost_ = true;
    return failed;
  }
  // Descriptor and key are from one look: a file is noted under the key of the folder where it was found.
  const StaticRoot::View root = route.root->view();
  UniqueFd fd(open_below(root.fd, path));
  crash_point("file-opened");
  if (!fd) {
    failed.status = status_of_errno(errno);
    if (failed.status == 404 && remember_missing) {
      if (FileEntry* entry = table_.begin_fill(root.key, path, holder_, now)) {
        entry->kind = FileKind::kMissing;
        publish(*entry, *route.root);
      }
    }
    return failed;
  }
  if (::fstat(fd.get(), &status) != 0 || (!S_ISREG(status.st_mode) && !S_ISDIR(status.st_mode)))
    return failed;

  FileEntry* entry = table_.begin_fill(root.key, path, holder_, now);
  FileEntry& target = entry != nullptr ? *entry : private_;
  describe(target, status);
  if (entry == nullptr) return keep_private(std::move(fd));
  if (target.kind == FileKind::kRegular) {
    if (target.size > 0 && target.size <= FileBlock::kBytes) {
      const auto size = static_cast<std::size_t>(target.size);
      const ssize_t n = ::pread(fd.get(), table_.block(target), size, 0);
      // A file that changes while it is read is sent from the descriptor. The next check sees the change.
      struct stat after {};
      const bool whole =
          n == static_cast<ssize_t>(size) && ::fstat(fd.get(), &after) == 0 && same_file(target, after);
      if (whole) target.block_bytes = static_cast<std::uint32_t>(size);
    }
    target.fd = fd.release();
  }
  crash_point("file-filled");
  publish(target, *route.root);
  crash_point("file-published");
  return view(target);
}

void FileCache::publish(FileEntry& entry, const StaticRoot& root) {
  table_.publish(entry, *flight_);
  // If the root was replaced meanwhile, the worker that did so may have gone through the table before this
  // entry was published. So this worker retires it. The entry stays pinned, so the file is served this once.
  if (root.view().key != entry.root_key) table_.retire(entry);
}

OpenFile FileCache::keep_private(UniqueFd fd) {
  private_.fd = fd.release();
  flight_->private_file.store(private_.fd, std::memory_order_relaxed);
  return view(private_);
}

std::optional<OpenFile> FileCache::open_own(const std::string& path) {
  drop();
  const DescriptorMotion motion(DescriptorMotion::Kind::kFile);
  if (!motion) {
    table_lost_ = true;
    errno = EAGAIN;
    return std::nullopt;
  }
  UniqueFd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK));
  struct stat status {};
  if (!fd || ::fstat(fd.get(), &status) != 0) return std::nullopt;
  if (!S_ISREG(status.st_mode)) {
    errno = S_ISDIR(status.st_mode) ? EISDIR : EINVAL;
    return std::nullopt;
  }
  describe(private_, status);
  return keep_private(std::move(fd));
}

OpenFolder FileCache::open_folder(const Route& route, std::string_view path) {
  OpenFolder folder;
  if (DescriptorMotion::table_lost()) {
    table_lost_ = true;
    return folder;
  }
  const StaticRoot::View root = route.root->view();
  folder.root_key = root.key;
  folder.fd = UniqueFd(open_below(root.fd, path, O_DIRECTORY));
  if (folder.fd && ::fstat(folder.fd.get(), &folder.status) != 0) folder.fd.reset();
  return folder;
}

OpenFile FileCache::find_listing(const Route& route, std::string_view key, Tick now) {
  drop();
  FileEntry* const entry = table_.find(route.root->view().key, key, *flight_);
  if (entry == nullptr || !still_current(route, *entry, now)) return {};
  return use(*entry, now);
}

void FileCache::keep_listing(const Route& route, const OpenFolder& folder, std::string_view key,
                             std::string_view page, Tick now, Tick lasts) {
  FileEntry* const entry =
      table_.room_for_listing(page.size()) ? table_.begin_fill(folder.root_key, key, holder_, now) : nullptr;
  bool kept = false;
  if (entry != nullptr) {
    // The spool's budget is not charged: FileTable::kListingBytes is the limit.
    UniqueFd file(open_with_room([] { return ::memfd_create("baton-listing", MFD_CLOEXEC); }));
    kept = file && write_all(file.get(), page.data(), page.size(), 0);
    describe(*entry, folder.status);
    entry->kind = FileKind::kListing;
    entry->page_bytes = static_cast<std::uint32_t>(page.size());
    entry->expires = now + lasts;
    if (kept) entry->fd = file.release();
    if (!kept) table_.abandon(*entry);
  }
  crash_point("listing-made");
  forget_listing(folder.root_key, key);
  if (kept) publish(*entry, *route.root);
}

void FileCache::forget_listing(std::uint64_t root_key, std::string_view key) {
  while (FileEntry* const entry = table_.find(root_key, key, *flight_)) table_.retire(*entry);
}

void FileCache::release() {
  drop();
  table_lost_ = false;
}

void FileCache::drop() {
  FileTable::unpin(*flight_);
  const int own = flight_->private_file.load(std::memory_order_relaxed);
  if (own < 0) return;
  const DescriptorMotion motion(DescriptorMotion::Kind::kFile);
  flight_->private_file.store(-1, std::memory_order_relaxed);
  ::close(own);
}

}  // namespace baton::serve
