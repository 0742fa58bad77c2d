#include "worker/acceptor.h"

#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "common/crash_point.h"
#include "common/descriptor_motion.h"
#include "common/log.h"
#include "worker/deadlines.h"
#include "worker/inbox.h"
#include "worker/outbox.h"

namespace baton {

namespace {

constexpr int kBurst = 16;

void pause_accepting(const WorkerContext& context) {
  SegmentHeader& header = context.segment.header();
  if (header.accept_paused.exchange(1) == 0) bump(context.counters().accept_paused);
}

void adopt(const WorkerContext& context, int fd, const sockaddr_storage& address, std::uint64_t now_ns) {
  const ConnectionTable table = context.segment.connections();
  raise_highest(context.segment.header(), fd);  // first: recovery looks no further
  table.open(fd, context.index);
  crash_point("after-open-slot");
  fill_in(table.at(fd), table.notes(fd), address, tick_of(now_ns), context.config.timeouts);
  crash_point("accepted");
}

void hand_over(const WorkerContext& context, int fd) {
  if (fd < 0) return;
  context.segment.connections().release(fd, SlotState::kArmedRead);
  crash_point("before-watch");
  watch_connection(context, fd);
}

// The table is not this worker's to close in: the next event brings one whose it is.
void leave_closing(const WorkerContext& context, int fd) {
  ::shutdown(fd, SHUT_RDWR);
  context.segment.connections().release(fd, SlotState::kArmedRead);
  context.epoll.rearm(fd);
}

}  // namespace

int accept_burst(const WorkerContext& context, int listener, std::uint64_t now_ns) {
  context.flight().phase.store(FlightPhase::kAccepting, std::memory_order_relaxed);
  SegmentHeader& header = context.segment.header();
  int last = -1;
  for (int i = 0; i < kBurst; ++i) {
    // Counted before it is accepted: workers that accept at the same time never exceed the limit together.
    if (header.connections.fetch_add(1) >= header.max_connections.load(std::memory_order_relaxed)) {
      header.connections.fetch_sub(1);
      pause_accepting(context);
      // A close between our count and the pause saw none to end: look again.
      resume_accepting(header, context.epoll);
      return last;
    }
    const DescriptorMotion motion(DescriptorMotion::Kind::kSocket);
    if (!motion) {
      header.connections.fetch_sub(1);
      return last;  // the listeners are armed again when the table is free
    }
    sockaddr_storage address{};
    socklen_t size = sizeof address;
    const int fd =
        ::accept4(listener, reinterpret_cast<sockaddr*>(&address), &size, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd >= 0) {
      crash_point("after-accept");
      bump(context.counters().accepted);
      hand_over(context, last);
      adopt(context, fd, address, now_ns);
      last = fd;
      continue;
    }
    const int error = errno;
    header.connections.fetch_sub(1);
    switch (error) {
      case EAGAIN: return last;
      case EMFILE:
      case ENFILE:
      case ENOBUFS:
      case ENOMEM:
        // Not to be tried again at once, there would be no end to it: the next close or the master's next
        // sweep goes on.
        pause_accepting(context);
        return last;
      case EBADF:
      case EINVAL:
      case ENOTSOCK: return last;  // the listener was removed by a reload
      default: break;              // the client is gone already; accept(2) says to try again
    }
  }
  context.epoll.rearm(listener);
  return last;
}

void raise_highest(SegmentHeader& header, int fd) {
  std::int32_t highest = header.highest_fd.load(std::memory_order_relaxed);
  while (fd > highest && !header.highest_fd.compare_exchange_weak(highest, fd, std::memory_order_relaxed)) {
  }
}

void fill_in(Slot& slot, SlotNotes& notes, const sockaddr_storage& peer, Tick now,
             const TimeoutConfig& timeouts) {
  notes.peer = Peer::from_sockaddr(peer);
  if (peer.ss_family == AF_UNIX) slot.flags |= SlotFlags::kUnixSocket;
  slot.accepted = now;
  // A client that connects and says nothing is let go without a word; the head's own deadline begins with its
  // first byte.
  std::atomic_signal_fence(std::memory_order_release);
  set_deadline(slot, Deadline::kKeepAlive, now + ticks_of(timeouts.header));
}

void watch_connection(const WorkerContext& context, int fd) {
  const int error = context.epoll.add(fd);
  if (error == 0) return;
  log::error("cannot watch a new connection: {}", std::strerror(error));
  const ConnectionTable table = context.segment.connections();
  if (table.try_claim(fd, table.claim(fd).generation, context.index)) close_connection(context, fd);
}

void close_connection(const WorkerContext& context, int fd) {
  const ConnectionTable table = context.segment.connections();
  SegmentHeader& header = context.segment.header();
  Slot& slot = table.at(fd);
  context.flight().phase.store(FlightPhase::kClosing, std::memory_order_relaxed);
  slot.phase = Phase::kLingering;  // for whoever comes after a death in here
  std::atomic_signal_fence(std::memory_order_release);
  const DescriptorMotion motion(DescriptorMotion::Kind::kSocket);
  if (!motion) return leave_closing(context, fd);
  // Orphans hold the socket as well: closing alone would neither tell the client nor end its registration.
  if (header.orphans.load(std::memory_order_relaxed) != 0) {
    ::shutdown(fd, SHUT_RDWR);
    context.epoll.remove(fd);
  }
  drop_parked(slot);
  if (slot.spool_fd >= 0) drop_spool(slot);
  table.free(fd);
  crash_point("after-free-before-close");
  ::close(fd);
  bump(context.counters().closed);
  header.connections.fetch_sub(1);
  resume_accepting(header, context.epoll);
}

void resume_accepting(SegmentHeader& header, const EpollSet& epoll) {
  if (header.accept_paused.load() == 0) return;
  if (header.connections.load() >= header.max_connections.load(std::memory_order_relaxed)) return;
  if (header.accept_paused.exchange(0) == 0) return;
  const std::uint32_t count = header.listener_count.load(std::memory_order_acquire);
  for (std::uint32_t i = 0; i < count; ++i)
    epoll.rearm(header.listener_fds[i].load(std::memory_order_relaxed));
}

}  // namespace baton
