#include "master/recovery.h"

#include <sys/socket.h>

#include <algorithm>
#include <optional>
#include <utility>

#include "common/shared/tls_table.h"
#include "worker/connection/acceptor.h"
#include "worker/connection/deadlines.h"
#include "worker/connection/handshake_end.h"
#include "worker/connection/inbox.h"
#include "worker/connection/outbox.h"
#include "worker/connection/transport.h"
#include "worker/tls/record_stream.h"

namespace baton {

namespace {

// How many of its workers may be killed from outside: past this the request may be what kills them after all.
constexpr std::uint8_t kMaxKills = 20;
// How many workers may die over a parked response of which not a byte could be sent.
constexpr std::uint8_t kMaxCrashesParked = 8;

// How many bytes of a response's rest the master copies; these are heads and small files of a batch. There is
// a limit because the master has other connections to look after.
constexpr std::uint64_t kMostCopied = 16 << 20;

// Decides how one connection goes on; the master holds it as the dead worker's heir.
class Heir {
 public:
  Heir(const Segment& segment, Holder dead, const Death& death, const Config& config, int fd)
      : segment_(segment),
        slot_(segment.connections().at(fd)),
        notes_(segment.connections().notes(fd)),
        flight_(segment.scoreboard()[dead].flight),
        record_(segment.outboxes()[dead]),
        death_(death),
        config_(config),
        socket_(fd, slot_),
        fd_(fd) {}

  Outcome resolve();
  [[nodiscard]] SlotState next() const { return next_; }

 private:
  [[nodiscard]] bool serving() const {
    return flight_.connection.load(std::memory_order_relaxed) == static_cast<std::uint32_t>(fd_) &&
           flight_.phase.load(std::memory_order_relaxed) == FlightPhase::kServing;
  }
  bool fill_in_peer();
  bool take_head_counts();
  bool take_body_counts();
  Outcome begin_again();
  Outcome blame();
  Outcome answer(Verdict verdict);
  Outcome resume();
  Outcome go_on_with_handshake();
  void forget_descriptors();
  bool consume_rest(std::uint64_t unconsumed);
  Outcome go_on_parked();
  Outcome show_out();
  Outcome give_up();

  const Segment& segment_;
  Slot& slot_;
  SlotNotes& notes_;
  const FlightRecord& flight_;
  const OutboxRecord& record_;
  const Death& death_;
  const Config& config_;
  Transport socket_;
  int fd_;
  std::optional<StreamCounts> counts_;
  SlotState next_ = SlotState::kArmedRead;
};

Outcome Heir::resolve() {
  // The connection does not own this descriptor: it belonged to the dead worker. The reclaimer closes it, and
  // it spares what a slot names.
  if (!slot_.has(SlotFlags::kOwnsBodyFd)) slot_.body_fd = -1;
  // Accepting sets the deadline last: a slot without one does not name its peer yet.
  if (slot_.deadline.load(std::memory_order_relaxed) == 0 && !fill_in_peer()) return give_up();
  if (socket_.encrypted() && TlsTable::states().empty()) {
    slot_.socket = SocketKind::kTcp;  // a wild write said otherwise
    return give_up();
  }
  if (socket_.counted()) {
    counts_ = socket_.counts();
    if (!counts_) return give_up();
  }
  switch (slot_.phase) {
    case Phase::kHead: return take_head_counts() ? begin_again() : give_up();
    case Phase::kBody: return take_body_counts() ? begin_again() : give_up();
    case Phase::kHandling:
      return answer(death_.cause == Cause::kWatchdog ? Verdict::kHandlerTimeout : Verdict::kFailed);
    case Phase::kResponse: return resume();
    case Phase::kParked: return go_on_parked();
    case Phase::kStreaming: return give_up();
    case Phase::kHandshake: return go_on_with_handshake();
    case Phase::kLingering: break;
  }
  return show_out();
}

bool Heir::fill_in_peer() {
  sockaddr_storage peer{};
  socklen_t size = sizeof peer;
  if (::getpeername(fd_, reinterpret_cast<sockaddr*>(&peer), &size) != 0) return false;
  fill_in(slot_, notes_, peer, segment_.addresses(), tick_of(monotonic_ns()), config_.timeouts);
  return true;
}

// All of a head that was taken from the socket is in the spool: it was written there first.
bool Heir::take_head_counts() {
  if (!counts_) return !socket_.uncertain();
  if (slot_.spool_fd < 0) {
    slot_.bytes_in = counts_->consumed;
    slot_.spool_bytes = 0;
  } else {
    if (counts_->consumed < slot_.bytes_in || counts_->consumed - slot_.bytes_in > Inbox::kBytes)
      return false;
    slot_.spool_bytes = static_cast<std::uint32_t>(counts_->consumed - slot_.bytes_in);
  }
  slot_.bytes_out = counts_->written;
  return true;
}

bool Heir::take_body_counts() {
  if (!counts_) return !socket_.uncertain();
  const std::uint64_t bytes_in = counts_->consumed - slot_.spool_bytes;
  if (counts_->consumed < slot_.spool_bytes || bytes_in < slot_.bytes_in) return false;
  const ChunkProgress* const chunks = notes_.chunks;
  if (slot_.chunked != 0 && chunks[0].at != bytes_in && chunks[1].at != bytes_in) return false;
  slot_.bytes_in = bytes_in;
  slot_.bytes_out = counts_->written;
  return true;
}

Outcome Heir::begin_again() {
  const std::uint32_t offset = slot_.phase == Phase::kHead ? slot_.batch_offset : 0;
  slot_.request_bytes = slot_.batch_offset = 0;
  // A body may be complete, or a head may be all in the spool. Then nothing more arrives that would bring a
  // worker; EPOLLOUT brings one at once.
  if (slot_.phase == Phase::kBody || slot_.spool_fd >= 0) next_ = SlotState::kArmedWrite;
  const bool reading = flight_.phase.load(std::memory_order_relaxed) == FlightPhase::kReading &&
                       (slot_.phase == Phase::kBody || socket_.unread() > 0);
  if (!serving() && !reading) return Outcome::kHandedOn;
  const bool from_outside = death_.cause == Cause::kKilled || death_.cause == Cause::kRetired ||
                            (death_.cause == Cause::kWatchdog && !serving());
  if (from_outside) {
    slot_.kills += 1;
    return slot_.kills <= kMaxKills ? Outcome::kBegunAgain : answer(Verdict::kFailed);
  }
  if (offset > 0) {
    slot_.set(SlotFlags::kOneAtATime);
    return Outcome::kBegunAgain;
  }
  return blame();
}

Outcome Heir::blame() {
  if (death_.cause == Cause::kWatchdog) return answer(Verdict::kHandlerTimeout);
  slot_.crashes += 1;
  if (slot_.crashes <= flight_.retries.load(std::memory_order_relaxed)) return Outcome::kBegunAgain;
  return answer(Verdict::kFailed);
}

Outcome Heir::answer(Verdict verdict) {
  // If a verdict stands already, workers crash over the answer itself, or over reading the request for it.
  const bool before = slot_.verdict.load(std::memory_order_relaxed) != Verdict::kNone;
  if (before && death_.cause != Cause::kKilled) return give_up();
  if (!before) slot_.verdict.store(verdict, std::memory_order_relaxed);
  next_ = SlotState::kArmedWrite;
  return Outcome::kAnswered;
}

Outcome Heir::resume() {
  if (!counts_ && socket_.uncertain()) return give_up();
  const std::uint64_t sent = counts_ ? counts_->written - slot_.bytes_out : record_.sent;
  const std::uint64_t end = slot_.bytes_in + slot_.request_bytes;
  const std::uint64_t unconsumed =
      counts_ ? end - counts_->consumed : slot_.request_bytes - slot_.spool_bytes;
  if (sent > slot_.response_bytes || unconsumed > slot_.request_bytes) return give_up();
  forget_descriptors();  // those that the dead worker may have parked already, and the spool
  const SpoolPlace place{config_.server.spool_dir, config_.limits.spool_memory};
  if (!park_rest(record_, sent, slot_, place, kMostCopied) || !consume_rest(unconsumed)) return give_up();
  socket_.plan_parked();
  notes_.parked = record_.last;
  notes_.parked.sent = sent - std::min(sent, slot_.response_bytes - record_.last.bytes);
  slot_.verdict.store(Verdict::kNone, std::memory_order_relaxed);
  slot_.bytes_in = end;
  slot_.request_bytes = slot_.spool_bytes = 0;
  slot_.queued = 0;
  socket_.settled();
  set_deadline(slot_, Deadline::kSend, tick_of(monotonic_ns()) + ticks_of(config_.timeouts.send));
  slot_.enter(Phase::kParked);
  next_ = SlotState::kArmedWrite;
  return Outcome::kResumed;
}

// If everything was sent, the connection has its keys. Otherwise a keyholder repeats the handshake, with the same
// bytes. What the client has sent is in the socket, or in the file that the state names.
Outcome Heir::go_on_with_handshake() {
  TlsState& state = TlsTable::at(fd_);
  if (state.handshake.final_bytes != 0 && state.written == state.handshake.final_bytes) {
    state.cipher_fd = -1;  // see forget_descriptors()
    if (!end_handshake(fd_, slot_, state)) return give_up();
    return Outcome::kHandedOn;
  }
  if (state.taken > 0 && state.cipher_fd < 0) return give_up();
  // What a client sends must not cost one keyholder after the other.
  const bool from_outside = death_.cause == Cause::kKilled || death_.cause == Cause::kRetired;
  std::uint8_t& deaths = from_outside ? slot_.kills : slot_.crashes;
  deaths += 1;
  if (slot_.crashes > config_.limits.retries || slot_.kills > kMaxKills) return give_up();
  state.handshake.final_bytes = 0;
  next_ = SlotState::kArmedWrite;
  return Outcome::kHandedOn;
}

// The master does not close what a slot names: after a wild write that may be one of its own descriptors.
// Once no slot names them, the reclaimer finds those that are a worker's.
void Heir::forget_descriptors() {
  slot_.body_fd = slot_.script_fd = slot_.spool_fd = -1;
  slot_.clear(SlotFlags::kOwnsBodyFd);
}

// Consumes what is left of the request, without closing the file with the beginning of a record (see above). That
// record may hold a part of the next request: then the file is still needed.
bool Heir::consume_rest(std::uint64_t unconsumed) {
  if (!socket_.encrypted()) return consume_request(fd_, slot_, unconsumed);
  TlsState& state = TlsTable::at(fd_);
  const std::int32_t beginning = std::exchange(state.cipher_fd, -1);
  if (!consume_request(fd_, slot_, unconsumed)) return false;
  if (tls::reading_now(state).at < state.taken) state.cipher_fd = beginning;
  return true;
}

Outcome Heir::go_on_parked() {
  if (counts_) slot_.bytes_in = counts_->consumed;
  socket_.settled();  // sendfile(2) has advanced the offset itself
  slot_.request_bytes = 0;
  std::uint8_t& deaths = death_.cause == Cause::kKilled ? slot_.kills : slot_.crashes;
  deaths += 1;
  if (slot_.crashes > kMaxCrashesParked || slot_.kills > kMaxKills) return give_up();
  next_ = SlotState::kArmedWrite;
  return Outcome::kResumed;
}

Outcome Heir::show_out() {
  socket_.end_stream();
  set_linger_deadline(slot_, tick_of(monotonic_ns()));
  return Outcome::kHandedOn;
}

// The shutdown brings an event, on which a worker closes the connection. The worker also logs what was being
// sent: the client may have received all of it.
Outcome Heir::give_up() {
  if (slot_.phase == Phase::kResponse || slot_.phase == Phase::kStreaming) {
    notes_.parked = record_.last;
    notes_.parked.sent =
        counts_ ? std::min(counts_->written - slot_.bytes_out, record_.last.bytes) : record_.sent;
  }
  slot_.verdict.store(Verdict::kNone, std::memory_order_relaxed);
  slot_.enter(Phase::kLingering);
  set_linger_deadline(slot_, tick_of(monotonic_ns()));
  socket_.cut();
  return Outcome::kClosed;
}

}  // namespace

void kick(Segment& segment, const EpollSet& epoll) {
  const ConnectionTable table = segment.connections();
  segment.for_each_listener([&epoll](int fd) { epoll.rearm(fd); });
  const int highest = segment.highest_fd();
  for (int fd = 0; fd <= highest; ++fd) {
    const Claim claim = table.claim(fd);
    // Its holder may have armed it already, and the dead worker may have taken the event.
    if (claim.is_client() && !claim.armed()) table.tell(fd);
    if (table.claim(fd).armed()) epoll.rearm(fd);
  }
  epoll.nudge();
}

std::vector<Recovered> recover(Segment& segment, const EpollSet& epoll, Holder dead, const Death& death,
                               const Config& config, int access_log_fd) {
  std::vector<Recovered> held;
  const ConnectionTable table = segment.connections();
  segment.spool_budget(dead).settle();
  const int highest = segment.highest_fd();
  for (int fd = 0; fd <= highest; ++fd) {
    const Claim claim = table.claim(fd);
    if (claim.state != SlotState::kHeld || claim.holder != dead) continue;
    // The worker that takes it up decides anew whether it has to wait in line.
    segment.places().line.remove(fd);
    Heir heir(segment, dead, death, config, fd);
    held.push_back({fd, heir.resolve()});
    // Its keyholder may have died between the two stores that end a handshake.
    if (table.at(fd).phase != Phase::kHandshake) table.make_client(fd);
    table.release(fd, heir.next());
    // The worker may have been killed between accepting and registering it: then it is not in the set yet.
    if (epoll.add(fd) != 0) epoll.rearm(fd);
  }
  segment.scoreboard()[dead].flight.pinned_file.store(0, std::memory_order_seq_cst);
  segment.files().abandon_all_of(dead);
  // Otherwise these descriptors would seem to belong to the successor in this entry, until it has loaded its
  // modules and begun. The reclaimer, which looks for what the dead worker has left, looks before that.
  segment.outboxes()[dead].spill_fd.store(-1, std::memory_order_seq_cst);
  segment.outboxes()[dead].stored_fd.store(-1, std::memory_order_seq_cst);
  for (PermitSet& permits : segment.permits()) permits.release(dead);
  segment.places().held.release(dead);
  if (access_log_fd >= 0) segment.log_buffers()[dead].flush(access_log_fd, segment.header().access_log);
  kick(segment, epoll);
  return held;
}

}  // namespace baton
