#include "worker/connection/inbox.h"

#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "common/base/crash_point.h"
#include "common/shared/descriptor_motion.h"
#include "worker/connection/spool.h"

namespace baton {

namespace {

void clear_low_water(int fd, Slot& slot) {
  if (slot.peeked == 0) return;
  const int one = 1;
  ::setsockopt(fd, SOL_SOCKET, SO_RCVLOWAT, &one, sizeof one);
  slot.peeked = 0;
}

}  // namespace

Inbox::Inbox(const SpoolPlace& place) : place_(place), buffer_(new char[kBytes]) {}

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
  if (!fit_spool(slot, {n, n}, place_)) return false;
  clear_low_water(fd, slot);
  const std::size_t fresh = n - slot.spool_bytes;
  const char* bytes = data().data() + slot.spool_bytes;
  if (::pwrite(slot.spool_fd, bytes, fresh, slot.spool_bytes) != static_cast<ssize_t>(fresh)) return false;
  crash_point("spool-written");
  // Written first, consumed second: whatever has left the socket is in the spool, and how much that is the
  // kernel knows.
  if (fresh > 0 && !discard(fd, slot, fresh)) return false;
  crash_point("spool-taken");
  slot.spool_bytes = static_cast<std::uint32_t>(n);
  noted(slot);
  crash_point("spool-noted");
  return true;
}

bool consume_request(int fd, Slot& slot, std::uint64_t in_socket) {
  // First: with the mark still up, shorter requests would not be seen.
  clear_low_water(fd, slot);
  if (in_socket > 0 && !discard(fd, slot, in_socket)) return false;
  crash_point("after-consume");
  if (slot.spool_fd >= 0) drop_spool(slot);
  return true;
}

void drop_spool(Slot& slot) {
  const DescriptorMotion motion(DescriptorMotion::Kind::kFile);
  const SpoolFile dropped(slot.spool_fd);
  slot.spool_fd = -1;  // before it is closed: see drop_parked()
  slot.spool_bytes = 0;
  crash_point("spool-dropped");
}

ssize_t discard_some(int fd, Slot& slot, std::size_t most) {
  if ((slot.flags & SlotFlags::kUnixSocket) == 0) return ::recv(fd, nullptr, most, MSG_TRUNC | MSG_DONTWAIT);
  char scratch[16 * 1024];
  slot.flags |= SlotFlags::kUncertain;
  return ::recv(fd, scratch, std::min(most, sizeof scratch), MSG_DONTWAIT);
}

bool discard(int fd, Slot& slot, std::uint64_t n) {
  while (n > 0) {
    const ssize_t got = discard_some(fd, slot, n);
    if (got <= 0) return false;
    crash_point("mid-consume");
    n -= static_cast<std::uint64_t>(got);
  }
  return true;
}

}  // namespace baton
