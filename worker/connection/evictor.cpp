#include "worker/connection/evictor.h"

#include <algorithm>
#include <limits>

#include "common/base/crash_point.h"
#include "common/shared/descriptor_motion.h"
#include "common/shared/tls_table.h"
#include "worker/connection/acceptor.h"
#include "worker/connection/deadlines.h"
#include "worker/connection/transport.h"

namespace baton {

namespace {

constexpr std::uint64_t kKept = std::numeric_limits<std::uint64_t>::max();  // rank of a connection that stays
// A head in several pieces takes one round trip or two. A flood of heads that never end must not keep room.
constexpr Tick kMostForHead = 200'000'000 / kTickNs;
constexpr Tick kMostShownOut = 1'000'000'000 / kTickNs;  // lingering
constexpr std::uint64_t kMostSlots = 100'000;            // looked at in a tick: a millisecond or so
// One pass keeps as many victims as 1/16 of max_connections, but at least 64.
constexpr std::size_t kLeastFound = 64;
constexpr std::size_t kShareFound = 16;
constexpr Tick kStale = 1'000'000'000 / kTickNs;  // victims of an older pass are forgotten

enum Kind : std::uint64_t { kSilent, kIdle, kSlow };

constexpr std::uint64_t rank(Kind kind, Tick since) {
  return kind << 32 | since;
}

}  // namespace

// Lower goes first. For a process without the claim, the slot and so the rank may be out of date.
std::uint64_t Evictor::rank_of(const Slot& slot, Tick now) const {
  const TimeoutConfig& timeouts = context_.config.timeouts;
  if (slot.verdict.load(std::memory_order_relaxed) != Verdict::kNone) return kKept;
  const Tick deadline = slot.deadline.load(std::memory_order_relaxed);
  const auto since = [deadline](Tick allowed) { return deadline - std::min(deadline, allowed); };
  // `begun` may lie ahead of `now`, if another worker has written it since this one looked at the clock.
  const auto after = [now](Kind kind, Tick begun, Tick most) {
    return now >= begun && now - begun >= most ? rank(kind, begun) : kKept;
  };
  if (slot.phase == Phase::kLingering)
    return slot.linger_end != 0 ? after(kSlow, slot.linger_end - kLingerTicks, kMostShownOut) : kKept;
  if (slot.phase != Phase::kHead && slot.phase != Phase::kHandshake) return kKept;
  if (slot.deadline_kind == Deadline::kKeepAlive) {
    if (slot.requests > 0) return rank(kIdle, since(ticks_of(timeouts.keep_alive)));
    return after(kSilent, slot.accepted, kMostForHead);
  }
  if (slot.deadline_kind != Deadline::kHeader) return kKept;
  return after(kSlow, since(ticks_of(timeouts.header)), kMostForHead);
}

bool Evictor::make_room(std::uint64_t now_ns) {
  if (DescriptorMotion::table_lost()) return false;  // this worker must not close descriptors now
  const Tick now = tick_of(now_ns);
  if (now - searched_ >= kStale) victims_.clear();
  if (close_one(now)) return true;
  if (!may_search(now)) return false;
  search(now);
  return close_one(now);
}

bool Evictor::close_one(Tick now) {
  while (!victims_.empty()) {
    const Victim victim = victims_.back();
    victims_.pop_back();
    if (close(victim, now)) return true;
  }
  return false;
}

bool Evictor::may_search(Tick now) {
  if (now != searched_) looked_at_ = 0;
  return looked_at_ < kMostSlots;
}

void Evictor::search(Tick now) {
  const ConnectionTable table = context_.segment.connections();
  const SegmentHeader& header = context_.segment.header();
  const int highest = context_.segment.highest_fd();
  const std::size_t most = std::max<std::size_t>(
      kLeastFound, header.max_connections.load(std::memory_order_relaxed) / kShareFound);
  const auto better = [](const Victim& a, const Victim& b) { return a.rank < b.rank; };
  for (int fd = 0; fd <= highest; ++fd) {
    const Claim claim = Claim::unpack(table.at(fd).claim.load(std::memory_order_relaxed));
    if (claim.state != SlotState::kArmedRead) continue;
    const Victim found{rank_of(table.at(fd), now), fd, claim.generation};
    if (found.rank == kKept) continue;
    victims_.push_back(found);
    if (victims_.size() < 2 * most) continue;
    std::nth_element(victims_.begin(), victims_.begin() + static_cast<std::ptrdiff_t>(most), victims_.end(),
                     better);
    victims_.resize(most);
  }
  std::sort(victims_.begin(), victims_.end(), better);
  victims_.resize(std::min(victims_.size(), most));
  std::reverse(victims_.begin(), victims_.end());
  searched_ = now;
  looked_at_ += static_cast<std::uint64_t>(highest) + 1;
}

// False: the connection stays, because it has been at work since the pass, or bytes have arrived that no
// worker has seen yet.
bool Evictor::close(const Victim& victim, Tick now) {
  const ConnectionTable table = context_.segment.connections();
  const auto state = table.try_claim(victim.fd, victim.generation, context_.index);
  if (!state) return false;
  crash_point("evict-claimed");
  Slot& slot = table.at(victim.fd);
  const bool heard = Transport(victim.fd, slot).unread() > slot.peeked;
  // A worker from before the first reload with TLS has no part in it.
  const bool foreign = slot.socket == SocketKind::kTls && TlsTable::states().empty();
  const bool goes = !foreign && *state == SlotState::kArmedRead && rank_of(slot, now) <= victim.rank &&
                    (slot.phase == Phase::kLingering || !heard) &&
                    table.notes(victim.fd).parked.status == 0;  // else its line in the access log is due
  if (goes) {
    bump(context_.counters().evicted);
    close_connection(context_, victim.fd);
    return true;
  }
  table.release(victim.fd, *state);
  context_.epoll.rearm(victim.fd);
  return false;
}

}  // namespace baton
