#include "master/recovery.h"

#include <linux/sockios.h>
#include <linux/tcp.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include <optional>

#include "worker/outbox.h"

namespace baton {

namespace {

// What the kernel knows of a TCP connection's two streams; nothing for other sockets.
struct StreamCounts {
  std::uint64_t written = 0;   // into the socket, acknowledged or not
  std::uint64_t consumed = 0;  // out of the socket
};

// The kernel counts a FIN that has arrived as one more byte received. In these states it has; <netinet/tcp.h>
// names them, but cannot stand beside <linux/tcp.h>.
bool fin_arrived(const tcp_info& info) {
  constexpr int kTimeWait = 6;
  constexpr int kCloseWait = 8;
  constexpr int kLastAck = 9;
  constexpr int kClosing = 11;
  const int state = info.tcpi_state;
  return state == kTimeWait || state == kCloseWait || state == kLastAck || state == kClosing;
}

std::optional<StreamCounts> stream_counts(int fd, const Slot& slot) {
  if ((slot.flags & SlotFlags::kUnixSocket) != 0) return std::nullopt;
  // The queues and the counters are read one after the other: an acknowledgement or a segment in between
  // would be missed, so look again until the queues have not moved.
  for (int tries = 0; tries < 100; ++tries) {
    int unsent = 0;
    int unread = 0;
    int unsent_after = 0;
    int unread_after = 0;
    tcp_info info{};
    socklen_t size = sizeof info;
    if (::ioctl(fd, SIOCOUTQ, &unsent) != 0 || ::ioctl(fd, SIOCINQ, &unread) != 0 ||
        ::getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &size) != 0 ||
        ::ioctl(fd, SIOCOUTQ, &unsent_after) != 0 || ::ioctl(fd, SIOCINQ, &unread_after) != 0) {
      return std::nullopt;
    }
    if (unsent != unsent_after || unread != unread_after) continue;
    const std::uint64_t received = info.tcpi_bytes_received - (fin_arrived(info) ? 1 : 0);
    return StreamCounts{info.tcpi_bytes_acked + static_cast<std::uint64_t>(unsent),
                        received - static_cast<std::uint64_t>(unread)};
  }
  return std::nullopt;
}

// Whether the slot tells the truth about its input: a worker that died between recv(2) and its note of it
// leaves a gap.
bool input_accounted_for(const Slot& slot, const std::optional<StreamCounts>& counts) {
  if (slot.spool_fd < 0 && slot.spool_bytes != 0) return false;  // died while dropping it
  if (!counts) return slot.phase == Phase::kHead && slot.spool_fd < 0;
  return counts->consumed == slot.bytes_in + slot.spool_bytes;
}

// Decides how the connection goes on; the master holds it as the dead worker's heir.
SlotState resolve(int fd, Slot& slot, std::uint32_t retries) {
  const auto give_up = [&slot, fd] {
    slot.verdict.store(Verdict::kExpired, std::memory_order_relaxed);
    slot.deadline_kind = Deadline::kSend;
    ::shutdown(fd, SHUT_RDWR);
    return SlotState::kArmedRead;
  };
  // The deadline is the last that accepting sets: without one, the slot does not say yet who the peer is.
  if (slot.deadline.load(std::memory_order_relaxed) == 0) return give_up();
  const auto counts = stream_counts(fd, slot);
  switch (slot.phase) {
    case Phase::kHead:
    case Phase::kBody:
      if (!input_accounted_for(slot, counts)) return give_up();
      break;
    case Phase::kLingering: return SlotState::kArmedRead;
    case Phase::kParked: return SlotState::kArmedWrite;
    case Phase::kResponse:
      if (!counts || counts->written != slot.bytes_out || !input_accounted_for(slot, counts))
        return give_up();
      // Parked, though not a byte of it fitted: its request may be consumed already.
      if ((slot.flags & SlotFlags::kOwnsBodyFd) != 0) return give_up();
      drop_parked(slot);
      // Nothing but a spooled head is left to consume of a request whose body was spooled past.
      slot.phase = slot.request_bytes == slot.spool_bytes ? Phase::kBody : Phase::kHead;
      break;
  }
  if (slot.retries < retries) {
    slot.retries += 1;
  } else {
    slot.verdict.store(Verdict::kFailed, std::memory_order_relaxed);
  }
  // A body may be complete, and then nothing more arrives that would bring a worker: EPOLLOUT does, at once.
  return slot.phase == Phase::kBody ? SlotState::kArmedWrite : SlotState::kArmedRead;
}

}  // namespace

void kick(Segment& segment, const EpollSet& epoll) {
  const ConnectionTable table = segment.connections();
  SegmentHeader& header = segment.header();
  const std::uint32_t listeners = header.listener_count.load(std::memory_order_acquire);
  for (std::uint32_t i = 0; i < listeners; ++i)
    epoll.rearm(header.listener_fds[i].load(std::memory_order_relaxed));
  const int highest = header.highest_fd.load(std::memory_order_relaxed);
  for (int fd = 0; fd <= highest; ++fd) {
    if (table.claim(fd).armed()) epoll.rearm(fd);
  }
  // An event that is queued already is not queued again by MOD, and wakes nobody. Polling the set itself
  // does, when its ready list is not empty; it collects nothing. tests/epoll/ready_list_test.cpp
  pollfd set{epoll.fd(), POLLIN, 0};
  ::poll(&set, 1, 0);
}

std::vector<Recovered> recover(Segment& segment, const EpollSet& epoll, Holder dead, const Death&,
                               std::uint32_t retries, int access_log_fd) {
  std::vector<Recovered> held;
  const ConnectionTable table = segment.connections();
  const int highest = segment.header().highest_fd.load(std::memory_order_relaxed);
  for (int fd = 0; fd <= highest; ++fd) {
    const Claim claim = table.claim(fd);
    if (claim.state != SlotState::kHeld || claim.holder != dead) continue;
    Slot& slot = table.at(fd);
    const SlotState next = resolve(fd, slot, retries);
    held.push_back({fd, Outcome::kHandedOn});
    table.release(fd, next);
    // Killed between accept and its registration, the connection is not in the set yet.
    if (epoll.add(fd) != 0) epoll.rearm(fd);
  }
  segment.scoreboard()[dead].flight.pinned_file.store(0, std::memory_order_seq_cst);
  segment.files().abandon_all_of(dead);
  if (access_log_fd >= 0) segment.log_buffers()[dead].flush(access_log_fd);
  kick(segment, epoll);
  return held;
}

}  // namespace baton
