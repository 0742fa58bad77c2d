#include "worker/connection/acceptor.h"

#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <optional>

#include "common/base/crash_point.h"
#include "common/base/log.h"
#include "common/shared/descriptor_motion.h"
#include "common/shared/descriptor_room.h"
#include "common/shared/tls_table.h"
#include "worker/connection/deadlines.h"
#include "worker/connection/inbox.h"
#include "worker/connection/outbox.h"
#include "worker/connection/tls_reader.h"
#include "worker/connection/transport.h"

namespace baton {

namespace {

constexpr int kBurst = 16;
// Most evictions for one client. One may not be enough: another worker may take the place first, or a reload
// has lowered the limit.
constexpr int kMaxEvicted = 4;

std::uint32_t listener_count(const SegmentHeader& header) {
  return std::min<std::uint32_t>(header.listener_count.load(std::memory_order_acquire), kMaxListeners);
}

// How many connections there may be when one more comes to `listener`; without a listener: to any of them.
std::uint32_t most_with(const SegmentHeader& header, std::optional<int> listener) {
  std::uint32_t reserve = 0;
  for (std::uint32_t i = 0; i < listener_count(header); ++i) {
    if (listener && header.listener_fds[i].load(std::memory_order_relaxed) != *listener) continue;
    reserve = std::max(reserve, header.listener_reserves[i].load(std::memory_order_relaxed));
  }
  return header.max_connections.load(std::memory_order_relaxed) + reserve;
}

bool redirects(const SegmentHeader& header, int listener) {
  for (std::uint32_t i = 0; i < listener_count(header); ++i) {
    if (header.listener_fds[i].load(std::memory_order_relaxed) == listener)
      return header.listener_redirects[i].load(std::memory_order_relaxed) != 0;
  }
  return false;
}

bool client_waits(int listener) {
  pollfd waiting{listener, POLLIN, 0};
  return ::poll(&waiting, 1, 0) == 1 && (waiting.revents & POLLIN) != 0;
}

enum class Place : std::uint8_t { kTaken, kNone, kLater, kNotWanted };

// Counts the client before it is accepted, so workers that accept at the same time never exceed the limit.
Place take_place(const WorkerContext& context, Evictor& evictor, int listener, std::uint64_t now_ns) {
  SegmentHeader& header = context.segment.header();
  for (int evicted = 0; evicted < kMaxEvicted; ++evicted) {
    const std::uint32_t before = header.connections.fetch_add(1);
    const bool room = before < header.max_connections.load(std::memory_order_relaxed);
    if (room || before < most_with(header, listener)) return Place::kTaken;
    header.connections.fetch_sub(1);
    if (!client_waits(listener)) return Place::kNotWanted;
    if (!evictor.make_room(now_ns)) return Place::kNone;
  }
  return Place::kLater;
}

// Counts the client for its address. False: the address has as many connections as it may.
bool admit(const WorkerContext& context, const sockaddr_storage& address) {
  AddressCounts& counts = context.segment.addresses();
  const AddressKey key = counts.key_of(Peer::from_sockaddr(address));
  const std::uint32_t most = context.config.limits.connections_per_address;
  if (counts.add(key) <= most || most == 0) return true;
  counts.remove(key);
  bump(context.counters().refused);
  return false;
}

void pause_accepting(const WorkerContext& context) {
  SegmentHeader& header = context.segment.header();
  if (header.accept_paused.exchange(1) == 0) bump(context.counters().accept_paused);
}

void adopt(const WorkerContext& context, int listener, int fd, const sockaddr_storage& address,
           std::uint64_t now_ns) {
  const ConnectionTable table = context.segment.connections();
  raise_highest(context.segment.header(), fd);  // before the slot is open: recovery looks no further
  const bool handshake = context.keyholder.has_value();
  if (handshake) TlsTable::at(fd).keyholder = static_cast<std::uint8_t>(*context.keyholder);
  table.open(fd, context.index, handshake ? SlotRole::kHandshake : SlotRole::kClient);
  crash_point("after-open-slot");
  if (redirects(context.segment.header(), listener)) table.at(fd).set(SlotFlags::kRedirects);
  fill_in(table.at(fd), table.notes(fd), address, context.segment.addresses(), tick_of(now_ns),
          context.config.timeouts);
  crash_point("accepted");
}

void hand_over(const WorkerContext& context, int fd) {
  if (fd < 0) return;
  context.segment.connections().release(fd, SlotState::kArmedRead);
  crash_point("before-watch");
  watch_connection(context, fd);
}

// For a worker that must not close descriptors now. The shutdown makes an event; the worker that gets the
// event closes the connection.
void leave_closing(const WorkerContext& context, int fd) {
  Transport(fd, context.segment.connections().at(fd)).cut();
  context.segment.connections().release(fd, SlotState::kArmedRead);
  context.epoll.rearm(fd);
}

}  // namespace

int accept_burst(const WorkerContext& context, Evictor& evictor, int listener, std::uint64_t now_ns) {
  context.flight().phase.store(FlightPhase::kAccepting, std::memory_order_relaxed);
  SegmentHeader& header = context.segment.header();
  // A handshake takes so long that other keyholders are to have the other clients.
  const int burst = context.keyholder ? 1 : kBurst;
  int last = -1;
  for (int i = 0; i < burst; ++i) {
    const Place place = take_place(context, evictor, listener, now_ns);
    if (place == Place::kNotWanted) return last;
    if (place == Place::kLater) break;
    if (place == Place::kNone) {
      pause_accepting(context);
      // A worker that closed between our count and the pause saw no pause to end: look again.
      if (header.connections.load() < most_with(header, listener))
        wake_listeners(context.segment, context.epoll);
      return last;
    }
    const DescriptorMotion motion(DescriptorMotion::Kind::kSocket);
    if (!motion) {
      header.connections.fetch_sub(1);
      return last;  // the listeners are re-armed when the table may be changed again
    }
    sockaddr_storage address{};
    socklen_t size = sizeof address;
    const int fd = open_with_room([&] {
      return ::accept4(listener, reinterpret_cast<sockaddr*>(&address), &size, SOCK_NONBLOCK | SOCK_CLOEXEC);
    });
    if (fd >= 0) {
      crash_point("after-accept");
      if (!admit(context, address)) {
        ::close(fd);
        header.connections.fetch_sub(1);
        continue;
      }
      bump(context.counters().accepted);
      hand_over(context, last);
      adopt(context, listener, fd, address, now_ns);
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
        // To try again at once would never end. The next close, or the master's next sweep, ends the pause.
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

void fill_in(Slot& slot, SlotNotes& notes, const sockaddr_storage& peer, const AddressCounts& addresses,
             Tick now, const TimeoutConfig& timeouts) {
  notes.peer = Peer::from_sockaddr(peer);
  slot.address = addresses.key_of(notes.peer);
  if (peer.ss_family == AF_UNIX) slot.socket = SocketKind::kUnix;
  slot.accepted = now;
  // A client that connects and stays silent is closed without a reply. So its deadline has the kind
  // kKeepAlive. The deadline of a head begins with its first byte.
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
  slot.enter(Phase::kLingering);  // if this worker dies in here, recovery must not go on with the connection
  const DescriptorMotion motion(DescriptorMotion::Kind::kSocket);
  if (!motion) return leave_closing(context, fd);
  // Orphans have the socket too. A close alone would neither tell the client nor end its epoll registration.
  if (header.orphans.load(std::memory_order_relaxed) != 0) {
    Transport(fd, slot).cut();
    context.epoll.remove(fd);
  }
  drop_parked(slot);
  if (slot.spool_fd >= 0) drop_spool(slot);
  if (slot.socket == SocketKind::kTls) {
    drop_ciphertext(TlsTable::at(fd));
    reset(TlsTable::at(fd));
  }
  const AddressKey address = slot.address;
  table.free(fd);
  crash_point("after-free-before-close");
  ::close(fd);
  bump(context.counters().closed);
  header.connections.fetch_sub(1);
  context.segment.addresses().remove(address);
  resume_accepting(context.segment, context.epoll);
}

void resume_accepting(const Segment& segment, const EpollSet& epoll) {
  const SegmentHeader& header = segment.header();
  if (header.accept_paused.load() == 0) return;
  if (header.connections.load() < most_with(header, std::nullopt)) wake_listeners(segment, epoll);
}

void wake_listeners(const Segment& segment, const EpollSet& epoll) {
  SegmentHeader& header = segment.header();
  if (header.accept_paused.load() == 0 || header.accept_paused.exchange(0) == 0) return;
  segment.for_each_listener([&epoll](int fd) { epoll.rearm(fd); });
}

}  // namespace baton
