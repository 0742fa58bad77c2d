#include "worker/inbox.h"

#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "common/crash_point.h"
#include "common/unique_fd.h"

namespace baton {

Inbox::Inbox() : buffer_(new char[kBytes]) {}

PeekResult Inbox::peek(int fd, Slot& slot) {
  clear();
  if (slot.spool_fd >= 0) {
    const ssize_t n = ::pread(slot.spool_fd, buffer_.get(), slot.spool_bytes, 0);
    if (n != static_cast<ssize_t>(slot.spool_bytes)) return PeekResult::kBroken;
    end_ = slot.spool_bytes;
  }
  return peek_socket(fd);
}

PeekResult Inbox::peek_body(int fd) {
  clear();
  return peek_socket(fd);
}

PeekResult Inbox::peek_socket(int fd) {
  const ssize_t n = ::recv(fd, buffer_.get() + end_, kBytes - end_, MSG_PEEK | MSG_DONTWAIT);
  if (n > 0) {
    end_ += static_cast<std::size_t>(n);
    return PeekResult::kData;
  }
  if (n == 0) return PeekResult::kClosed;
  return errno == EAGAIN || errno == EINTR ? PeekResult::kNothing : PeekResult::kBroken;
}

bool Inbox::consume(int fd, Slot& slot, std::size_t n) {
  const std::size_t in_socket = n - slot.spool_bytes;
  drop_spool(slot);
  clear_low_water(fd, slot);
  start_ += n;
  slot.bytes_in += n;
  crash_point("mid-consume");
  return in_socket == 0 || discard(fd, slot, in_socket);
}

bool Inbox::keep_partial(int fd, Slot& slot) {
  const std::size_t in_socket = data().size() - slot.spool_bytes;
  if (in_socket == 0) return true;
  const bool unix_socket = (slot.flags & SlotFlags::kUnixSocket) != 0;
  if (unix_socket || in_socket <= slot.peeked) return spool(fd, slot, data().size());
  const int low_water = static_cast<int>(in_socket) + 1;
  // Noted first: a mark that the slot does not know of would never be taken back, and short requests not
  // seen.
  slot.peeked = static_cast<std::uint32_t>(in_socket);
  crash_point("partial-marked");
  return ::setsockopt(fd, SOL_SOCKET, SO_RCVLOWAT, &low_water, sizeof low_water) == 0;
}

bool Inbox::spool(int fd, Slot& slot, std::size_t n) {
  clear_low_water(fd, slot);
  if (slot.spool_fd < 0) slot.spool_fd = ::memfd_create("baton-head", MFD_CLOEXEC);
  if (slot.spool_fd < 0) return false;
  crash_point("spool-created");
  const std::size_t fresh = n - slot.spool_bytes;
  const char* bytes = data().data() + slot.spool_bytes;
  if (::pwrite(slot.spool_fd, bytes, fresh, slot.spool_bytes) != static_cast<ssize_t>(fresh)) return false;
  crash_point("spool-written");
  slot.spool_bytes = static_cast<std::uint32_t>(n);
  crash_point("spool-noted");
  if (fresh > 0 && !discard(fd, slot, fresh)) return false;
  crash_point("spool-taken");
  return true;
}

void Inbox::drop_spool(Slot& slot) {
  const UniqueFd dropped(slot.spool_fd);
  slot.spool_fd = -1;  // before it is closed: see drop_parked()
  slot.spool_bytes = 0;
}

void Inbox::clear_low_water(int fd, Slot& slot) {
  if (slot.peeked == 0) return;
  const int one = 1;
  ::setsockopt(fd, SOL_SOCKET, SO_RCVLOWAT, &one, sizeof one);
  slot.peeked = 0;
}

ssize_t discard_some(int fd, const Slot& slot, std::size_t most) {
  if ((slot.flags & SlotFlags::kUnixSocket) == 0) return ::recv(fd, nullptr, most, MSG_TRUNC | MSG_DONTWAIT);
  char scratch[16 * 1024];
  return ::recv(fd, scratch, std::min(most, sizeof scratch), MSG_DONTWAIT);
}

bool discard(int fd, const Slot& slot, std::size_t n) {
  while (n > 0) {
    const ssize_t got = discard_some(fd, slot, n);
    if (got <= 0) return false;
    n -= static_cast<std::size_t>(got);
  }
  return true;
}

}  // namespace baton
