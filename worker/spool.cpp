#include "worker/spool.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/crash_point.h"
#include "common/descriptor_motion.h"

namespace baton {

UniqueFd open_spool(const char* name, std::uint64_t bytes, const SpoolPlace& place) {
  if (bytes <= place.memory_bytes) return UniqueFd(::memfd_create(name, MFD_CLOEXEC));
  return UniqueFd(::open(place.folder.c_str(), O_TMPFILE | O_RDWR | O_CLOEXEC, 0600));
}

bool fit_spool(Slot& slot, std::uint64_t bytes, const SpoolPlace& place) {
  if (bytes <= place.memory_bytes) return true;
  const bool in_memory = ::fcntl(slot.spool_fd, F_GET_SEALS) >= 0;  // only a memfd has any
  if (!in_memory) return true;
  struct stat status {};
  if (::fstat(slot.spool_fd, &status) != 0) return false;
  const DescriptorMotion motion(DescriptorMotion::Kind::kFile);
  if (!motion) return false;
  UniqueFd fresh = open_spool("baton-body", bytes, place);
  if (!fresh || !copy_file(slot.spool_fd, fresh.get(), status.st_size)) return false;
  crash_point("spool-copied");
  // Named by the slot first, then closed: see drop_spool().
  const UniqueFd before(slot.spool_fd);
  slot.spool_fd = fresh.release();
  crash_point("spool-moved");
  return true;
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

// From the file's first byte: a mapping begins with a page.
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
