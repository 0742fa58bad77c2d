#include "worker/connection/spool.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>

#include "common/base/crash_point.h"
#include "common/shared/descriptor_motion.h"
#include "common/shared/descriptor_room.h"

namespace baton {

namespace {

SpoolBudget process_budget;

// Charges stand by the descriptor numbers of the server's table. While this process must not change that
// table, it counts nothing and refuses nothing.
bool charge(int fd, SpoolMedium medium, std::uint64_t bytes) {
  const DescriptorMotion motion(DescriptorMotion::Kind::kFile);
  return !motion || process_budget.charge(fd, medium, bytes);
}

SpoolMedium medium_of(int fd) {
  if (const auto medium = process_budget.medium_of(fd)) return *medium;
  return ::fcntl(fd, F_GET_SEALS) >= 0 ? SpoolMedium::kMemory : SpoolMedium::kDisk;  // only a memfd has any
}

SpoolFile charged(SpoolFile file, SpoolMedium medium, std::uint64_t bytes) {
  if (!file || charge(file.get(), medium, bytes)) return file;
  file = SpoolFile();
  errno = EDQUOT;
  return file;
}

SpoolFile open_on_disk(std::uint64_t bytes, const SpoolPlace& place) {
  return charged(SpoolFile(open_with_room([&place] {
                   return ::open(place.folder.c_str(), O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
                 })),
                 SpoolMedium::kDisk, bytes);
}

}  // namespace

void count_spools_in(const SpoolBudget& budget) {
  process_budget = budget;
}

void close_spool(int fd) {
  const DescriptorMotion motion(DescriptorMotion::Kind::kFile);
  if (motion) process_budget.give_back(fd);
  ::close(fd);
}

SpoolFile open_spool(const char* name, SpoolExtent extent, const SpoolPlace& place) {
  if (extent.expected <= place.memory_bytes) {
    SpoolFile file = charged(SpoolFile(open_with_room([name] { return ::memfd_create(name, MFD_CLOEXEC); })),
                             SpoolMedium::kMemory, extent.bytes);
    if (file || errno != EDQUOT) return file;
  }
  return open_on_disk(extent.bytes, place);
}

bool fit_spool(int fd, SpoolExtent extent, const SpoolPlace& place, SpoolFile& fresh) {
  const SpoolMedium medium = medium_of(fd);
  const bool stays = medium == SpoolMedium::kDisk || extent.expected <= place.memory_bytes;
  if (stays && charge(fd, medium, extent.bytes)) return true;
  errno = EDQUOT;
  if (medium == SpoolMedium::kDisk) return false;
  const DescriptorMotion motion(DescriptorMotion::Kind::kFile);
  if (!motion) return false;
  struct stat status {};
  if (::fstat(fd, &status) != 0) return false;
  SpoolFile copy = open_on_disk(extent.bytes, place);
  if (!copy || !copy_file(fd, copy.get(), status.st_size)) return false;
  fresh = std::move(copy);
  return true;
}

bool fit_spool(Slot& slot, SpoolExtent extent, const SpoolPlace& place) {
  if (slot.spool_fd < 0) {
    const DescriptorMotion motion(DescriptorMotion::Kind::kFile);
    if (!motion) return false;
    SpoolFile spool = open_spool("baton-head", extent, place);
    if (!spool) return false;
    crash_point("spool-created");
    slot.spool_fd = spool.release();
    return true;
  }
  const DescriptorMotion motion(DescriptorMotion::Kind::kFile);
  SpoolFile fresh;
  if (!fit_spool(slot.spool_fd, extent, place, fresh)) return false;
  if (!fresh) return true;
  crash_point("spool-copied");
  // Named by the slot first, then closed: see drop_spool().
  const SpoolFile before(slot.spool_fd);
  slot.spool_fd = fresh.release();
  crash_point("spool-moved");
  return true;
}

int duplicate_spool(int fd) {
  const int second = open_with_room([fd] { return ::fcntl(fd, F_DUPFD_CLOEXEC, 0); });
  const DescriptorMotion motion(DescriptorMotion::Kind::kFile);
  if (second >= 0 && motion) process_budget.charge_like(second, fd);
  return second;
}

void recharge_spool(int fd, std::uint64_t bytes) {
  [[maybe_unused]] const bool less = charge(fd, medium_of(fd), bytes);
}

bool spool_is_tight() {
  const SpoolBudget::Use use = process_budget.use();
  return use.disk >= use.disk_limit / 8 * 7;
}

bool spool_can_hold(std::uint64_t bytes, const SpoolPlace& place) {
  const SpoolBudget::Use use = process_budget.use();
  return bytes <= use.disk_limit || (bytes <= place.memory_bytes && bytes <= use.memory_limit);
}

bool write_all(int fd, const void* data, std::size_t size, off_t at) {
  const char* bytes = static_cast<const char*>(data);
  while (size > 0) {
    const ssize_t n = ::pwrite(fd, bytes, size, at);
    if (n <= 0) return false;
    bytes += n;
    at += n;
    size -= static_cast<std::size_t>(n);
  }
  return true;
}

bool read_all(int fd, void* data, std::size_t size, off_t at) {
  char* bytes = static_cast<char*>(data);
  while (size > 0) {
    const ssize_t n = ::pread(fd, bytes, size, at);
    if (n <= 0) return false;
    bytes += n;
    at += n;
    size -= static_cast<std::size_t>(n);
  }
  return true;
}

bool copy_file(int from, int to, off_t bytes, off_t offset) {
  const off_t end = offset + bytes;
  ::lseek(to, 0, SEEK_SET);
  while (offset < end) {
    if (::sendfile(to, from, &offset, static_cast<std::size_t>(end - offset)) <= 0) return false;
  }
  return true;
}

SpooledBody::~SpooledBody() {
  if (memory_ != nullptr) ::munmap(memory_, mapped_);
}

// Maps from the file's first byte, because a mapping has to begin at a page.
bool SpooledBody::map(int fd, std::uint64_t offset, std::uint64_t length) {
  if (length == 0) return true;
  const std::size_t all = offset + length;
  void* const memory = ::mmap(nullptr, all, PROT_READ, MAP_SHARED, fd, 0);
  if (memory == MAP_FAILED) return false;
  memory_ = memory;
  mapped_ = all;
  bytes_ = {static_cast<const char*>(memory) + offset, length};
  return true;
}

}  // namespace baton
