#include "worker/route/static_root.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <new>
#include <stdexcept>
#include <utility>

#include "common/base/crash_point.h"
#include "common/base/fnv.h"
#include "common/base/log.h"
#include "common/base/unique_fd.h"
#include "common/shared/descriptor_motion.h"

namespace baton::serve {

namespace {

constexpr Tick kLookTicks = 10;  // one second

std::uint64_t pack(std::uint32_t change, int fd) {
  return std::uint64_t{change} << 32 | static_cast<std::uint32_t>(fd);
}
std::uint32_t change_of(std::uint64_t word) {
  return static_cast<std::uint32_t>(word >> 32);
}
int fd_of(std::uint64_t word) {
  return static_cast<int>(static_cast<std::uint32_t>(word));
}

UniqueFd open_folder(const std::string& path) {
  return UniqueFd(::open(path.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
}

// Compares two open folders. While a folder is open, its inode number is not given to another one.
bool same_folder(int a, int b) {
  struct stat of_a {};
  struct stat of_b {};
  return ::fstat(a, &of_a) == 0 && ::fstat(b, &of_b) == 0 && of_a.st_dev == of_b.st_dev &&
         of_a.st_ino == of_b.st_ino;
}

// Whether the error says that there is no folder. Other errors leave that open.
bool says_gone(int error) {
  return error == ENOENT || error == ENOTDIR || error == ELOOP;
}

// A folder has the same key in every generation, so that a reload finds its files open.
std::uint64_t key_of(const std::string& path, int fd) {
  struct statx status {};
  ::statx(fd, "", AT_EMPTY_PATH, STATX_INO | STATX_BTIME, &status);
  Fnv1a hash;
  hash.add(path);
  hash.add(std::uint64_t{status.stx_dev_major} << 32 | status.stx_dev_minor);
  hash.add(status.stx_ino);
  hash.add(static_cast<std::uint64_t>(status.stx_btime.tv_sec));  // inode numbers are used again
  hash.add(std::uint64_t{status.stx_btime.tv_nsec});
  return hash.value();
}

}  // namespace

StaticRoot::StaticRoot(std::string path) : path_(std::move(path)) {
  UniqueFd fd = open_folder(path_);
  if (!fd) throw std::runtime_error("cannot open the root " + path_ + ": " + std::strerror(errno));
  first_key_ = key_of(path_, fd.get());
  if (::getrandom(&salt_, sizeof salt_, 0) != sizeof salt_) salt_ = monotonic_ns();
  void* const memory =
      ::mmap(nullptr, sizeof(Shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED)
    throw std::runtime_error(std::string("no memory for a root: ") + std::strerror(errno));
  shared_ = new (memory) Shared;
  shared_->word.store(pack(0, fd.release()), std::memory_order_relaxed);
}

StaticRoot::~StaticRoot() {
  // A worker that has gone wrong may have written the word. So the descriptor is closed only if it is a
  // folder.
  struct stat status {};
  const int fd = view().fd;
  const UniqueFd last(::fstat(fd, &status) == 0 && S_ISDIR(status.st_mode) ? fd : -1);
  ::munmap(shared_, sizeof(Shared));
}

StaticRoot::View StaticRoot::view_of(std::uint64_t word) const {
  if (change_of(word) == 0) return {fd_of(word), first_key_};
  Fnv1a hash;
  hash.add(salt_);
  hash.add(std::uint64_t{change_of(word)});
  return {fd_of(word), hash.value()};
}

std::optional<std::uint64_t> StaticRoot::follow(Tick now) {
  Tick looked = shared_->looked.load(std::memory_order_relaxed);
  const Tick wait = fd_of(shared_->word.load(std::memory_order_relaxed)) < 0 ? 1 : kLookTicks;
  // Signed: another worker's clock may be a tick ahead of `now`.
  if (static_cast<std::int32_t>(now - looked) < static_cast<std::int32_t>(wait)) return std::nullopt;
  if (!shared_->looked.compare_exchange_strong(looked, now, std::memory_order_relaxed)) return std::nullopt;
  const Look seen = look();
  report(seen);
  if (!seen.changed) return std::nullopt;
  return view_of(seen.before).key;
}

StaticRoot::Look StaticRoot::look() {
  const DescriptorMotion motion(DescriptorMotion::Kind::kFile);
  if (!motion) return {};
  Look seen;
  seen.before = shared_->word.load(std::memory_order_seq_cst);
  const int old = fd_of(seen.before);
  UniqueFd found = open_folder(path_);
  if (!found) seen.error = errno;
  crash_point("root-opened");
  if (!found && !says_gone(seen.error)) return seen;
  const bool same = found ? old >= 0 && same_folder(old, found.get()) : old < 0;
  if (same) return seen;
  // Another worker may have looked later and stored first: then its word stands.
  std::uint64_t expected = seen.before;
  const std::uint64_t next = pack(change_of(expected) + 1, found.get());
  seen.changed = shared_->word.compare_exchange_strong(expected, next, std::memory_order_seq_cst);
  if (!seen.changed) return seen;
  static_cast<void>(found.release());
  crash_point("root-replaced");
  if (old >= 0) shared_->left_open.store(true, std::memory_order_release);
  return seen;
}

void StaticRoot::report(const Look& seen) {
  const int trouble = says_gone(seen.error) ? 0 : seen.error;
  if (shared_->trouble.exchange(trouble, std::memory_order_relaxed) != trouble && trouble != 0) {
    log::warn("cannot look at the root {}: {}; the folder that is open goes on being served", path_,
              std::strerror(trouble));
  }
  if (!seen.changed) return;
  if (seen.error != 0) {
    log::warn("the root {} is gone: {}", path_, std::strerror(seen.error));
  } else {
    log::info("the root {} is {}", path_, fd_of(seen.before) < 0 ? "there again" : "another folder now");
  }
}

}  // namespace baton::serve
