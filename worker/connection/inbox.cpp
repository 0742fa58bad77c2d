#include "worker/connection/inbox.h"

#include <unistd.h>

#include <cerrno>

#include "common/base/crash_point.h"
#include "common/shared/descriptor_motion.h"
#include "worker/connection/spool.h"
#include "worker/connection/transport.h"

namespace baton {

namespace {

void clear_low_water(int fd, Slot& slot) {
  if (slot.peeked == 0) return;
  (void)Transport(fd, slot).wake_at(1);
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
  return peek_socket(fd, slot);
}

PeekResult Inbox::peek_body(int fd, Slot& slot) {
  clear();
  return peek_socket(fd, slot);
}

PeekResult Inbox::peek_socket(int fd, Slot& slot) {
  const ssize_t n = Transport(fd, slot).peek(buffer_.get() + end_, kBytes - end_);
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
  Transport socket(fd, slot);
  if (!socket.has_low_water() || in_socket <= slot.peeked) return spool(fd, slot, data().size());
  // The note comes before the mark: after a death in between, a mark that the slot does not note would never
  // be lowered, and shorter requests would not wake a worker.
  slot.peeked = static_cast<std::uint32_t>(in_socket);
  crash_point("partial-marked");
  return socket.wake_at(in_socket + 1);
}

bool Inbox::spool(int fd, Slot& slot, std::size_t n) {
  if (!fit_spool(slot, {n, n}, place_)) return false;
  clear_low_water(fd, slot);
  const std::size_t fresh = n - slot.spool_bytes;
  const char* bytes = data().data() + slot.spool_bytes;
  if (::pwrite(slot.spool_fd, bytes, fresh, slot.spool_bytes) != static_cast<ssize_t>(fresh)) return false;
  crash_point("spool-written");
  // The write comes before the consume. So after a death every byte that has left the socket is in the spool,
  // and the kernel's count tells how many have.
  if (fresh > 0 && !Transport(fd, slot).consume(fresh)) return false;
  crash_point("spool-taken");
  slot.spool_bytes = static_cast<std::uint32_t>(n);
  Transport(fd, slot).settled();
  crash_point("spool-noted");
  return true;
}

bool consume_request(int fd, Slot& slot, std::uint64_t in_socket) {
  // The mark goes first: while it is up, shorter requests do not wake a worker.
  clear_low_water(fd, slot);
  // Also where nothing of it is in the socket: what is left to be consumed cannot be told any more when the
  // spool has been dropped.
  if (!Transport(fd, slot).consume(in_socket)) return false;
  crash_point("after-consume");
  if (slot.spool_fd >= 0) drop_spool(slot);
  return true;
}

void drop_spool(Slot& slot) {
  const DescriptorMotion motion(DescriptorMotion::Kind::kFile);
  const SpoolFile dropped(slot.spool_fd);
  slot.spool_fd = -1;  // before `dropped` closes it: see drop_parked()
  slot.spool_bytes = 0;
  crash_point("spool-dropped");
}

}  // namespace baton
