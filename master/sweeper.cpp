#include "master/sweeper.h"

#include <algorithm>

#include "worker/connection/acceptor.h"
#include "worker/connection/deadlines.h"
#include "worker/connection/transport.h"

namespace baton {

namespace {

constexpr std::uint32_t kSweepsPerAudit = 10;

// A request that has arrived but has not been taken up yet counts as in hand: it is answered, as the
// connection's last.
bool idle(int fd, Slot& slot) {
  return slot.phase == Phase::kHead && slot.deadline_kind == Deadline::kKeepAlive &&
         Transport(fd, slot).unread() == 0;
}

// A stop does not wait for a client that has its last answer.
bool lingers_no_more(const Slot& slot, Tick now) {
  return slot.phase == Phase::kLingering && slot.linger_end + kLingerStoppingTicks <= now + kLingerTicks;
}

// A client that reads slowly may cause no EPOLLOUT for long, because the socket's buffer stays full. It is
// alive as long as it acknowledges enough.
bool still_sending(int fd, Slot& slot, const TimeoutConfig& timeouts) {
  if (slot.deadline_kind != Deadline::kSend) return false;
  const std::int64_t queued = Transport(fd, slot).queued();
  const auto before = static_cast<std::int64_t>(slot.queued);
  slot.queued = static_cast<std::uint32_t>(queued);
  return before - queued >= least_progress(timeouts.send);
}

}  // namespace

void Sweeper::sweep(Tick now, const TimeoutConfig& timeouts, bool expire_idle) {
  const ConnectionTable table = segment_.connections();
  const int highest = segment_.highest_fd();
  std::uint32_t counted = 0;
  const bool audit = sweeps_++ % kSweepsPerAudit == 0;
  if (audit) addresses_.begin();
  for (int fd = 0; fd <= highest; ++fd) {
    Slot& slot = table.at(fd);
    const Claim claim = Claim::unpack(slot.claim.load(std::memory_order_relaxed));
    if (!claim.is_client()) continue;
    ++counted;
    if (audit) addresses_.count(slot.address);
    if (!claim.armed()) continue;
    const Tick deadline = slot.deadline.load(std::memory_order_relaxed);
    if ((deadline != 0 && now >= deadline) || expire_idle)
      expire(fd, slot, claim, now, timeouts, expire_idle);
  }
  if (audit) addresses_.end();
  correct_count(counted);
  // Also while there is no room: with time, other connections become ones that may be closed to make room.
  wake_listeners(segment_, epoll_);
}

void Sweeper::expire(int fd, Slot& slot, const Claim& seen, Tick now, const TimeoutConfig& timeouts,
                     bool expire_idle) {
  const ConnectionTable table = segment_.connections();
  // While the master holds the claim no worker closes the descriptor, so shutdown() cannot hit a later
  // connection.
  const auto state = table.try_claim(fd, seen.generation, kMasterHolder);
  if (!state) return;
  // The connection may have been served and re-armed since the first look: its claim word would be the same.
  const Tick deadline = slot.deadline.load(std::memory_order_relaxed);
  const bool passed = deadline != 0 && now >= deadline;
  const bool over = passed || (expire_idle && (idle(fd, slot) || lingers_no_more(slot, now)));
  const SlotState armed = over ? end(fd, slot, *state, now, timeouts, passed) : *state;
  table.release(fd, armed);
  epoll_.rearm(fd);
}

// Returns the state in which the slot is to be released.
SlotState Sweeper::end(int fd, Slot& slot, SlotState state, Tick now, const TimeoutConfig& timeouts,
                       bool passed) {
  const Tick patience = now + ticks_of(timeouts.send);
  const Verdict verdict = slot.verdict.load(std::memory_order_relaxed);
  if (verdict == Verdict::kNone && passed && still_sending(fd, slot, timeouts)) {
    slot.deadline.store(patience, std::memory_order_relaxed);
    return state;
  }
  if (verdict == Verdict::kNone) {
    slot.verdict.store(Verdict::kExpired, std::memory_order_relaxed);
    // The client is due an answer and may still be writing: after a shutdown its writes would fail before it
    // has read the answer. EPOLLOUT brings a worker just as well, unless the client reads nothing.
    if (slot.deadline_kind == Deadline::kHeader || slot.deadline_kind == Deadline::kBody ||
        slot.deadline_kind == Deadline::kPlace) {
      slot.deadline.store(patience, std::memory_order_relaxed);
      return SlotState::kArmedWrite;
    }
  }
  if (verdict == Verdict::kNone || (verdict == Verdict::kExpired && passed)) Transport(fd, slot).cut();
  return state;
}

// A worker that is killed between counting a connection and claiming it leaves the count off by one. Workers
// count before they claim and after they free, so a difference is usual for a moment. A difference that stays
// the same for a second is such a leftover.
void Sweeper::correct_count(std::uint32_t counted) {
  std::atomic<std::uint32_t>& connections = segment_.header().connections;
  const std::int64_t drift = std::int64_t{connections.load()} - counted;
  drift_seen_ = drift != 0 && drift == last_drift_ ? drift_seen_ + 1 : 0;
  last_drift_ = drift;
  if (drift_seen_ < 10) return;
  connections.fetch_sub(static_cast<std::uint32_t>(drift));
  drift_seen_ = 0;
}

}  // namespace baton
