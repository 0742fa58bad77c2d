// Setting a connection's deadline. The master's sweep enforces them (master/sweeper.h).
#pragma once

#include <algorithm>

#include "common/base/clock.h"
#include "common/shared/connection_table.h"

namespace baton {

// Slower than this many bytes a second for a whole timeout, and a body or a response is given up: otherwise a
// byte now and then would hold a connection for ever.
constexpr std::uint64_t kMinBytesPerSecond = 500;

// Of a response: no fewer must be taken over a whole timeout.
inline std::int64_t least_progress(Duration timeout) {
  return std::max<std::int64_t>(1, static_cast<std::int64_t>(kMinBytesPerSecond) * timeout.count() / 1000);
}

// A client that has its last answer and still writes, such as a body that is not wanted, reads it when it has
// written all: it is listened to for so long without a byte, for so long at all (both as nginx has them), and
// up to so many bytes. That is half a minute of 270 Mbit/s, so of most uploads time is what ends them; to
// discard it costs a worker some 0.1 s of CPU altogether.
constexpr Tick kLingerIdleTicks = std::uint64_t{5'000'000'000} / kTickNs;
constexpr Tick kLingerTicks = std::uint64_t{30'000'000'000} / kTickNs;
constexpr std::uint64_t kLingerBytes = std::uint64_t{1} << 30;
// While the server stops, for so long at all: they are not what a stop waits for.
constexpr Tick kLingerStoppingTicks = 2'000'000'000 / kTickNs;

// How long a request for a module waits for one of the workers that modules may hold. Whoever is served
// within it need not ask again.
constexpr Tick kPlaceTicks = std::uint64_t{5'000'000'000} / kTickNs;

// All are for the holder of the claim.
inline void set_deadline(Slot& slot, Deadline kind, Tick at) {
  slot.deadline_kind = kind;
  // Within one tick consecutive requests come to the same value: spare the other cores the cache line.
  if (slot.deadline.load(std::memory_order_relaxed) != at) slot.deadline.store(at, std::memory_order_relaxed);
}

// For one that is shown out: it has been heard at `now`.
inline void set_linger_deadline(Slot& slot, Tick now) {
  const Tick end = slot.linger_end != 0 ? slot.linger_end : now + kLingerTicks;
  set_deadline(slot, Deadline::kLinger, std::min(now + kLingerIdleTicks, end));
}

// Until when what has come of a body lasts, in ns: `until`, what it was before `bytes` more came. They earn
// time, as long as it takes to send them at the least speed, but never more than one timeout from now: what
// was sent fast at first is no credit for a body that trickles for ever.
inline std::uint64_t transfer_until(std::uint64_t until, std::uint64_t bytes, std::uint64_t timeout_ns,
                                    std::uint64_t now) {
  constexpr std::uint64_t kNsPerByte = 1'000'000'000 / kMinBytesPerSecond;
  if (bytes >= timeout_ns / kNsPerByte) return now + timeout_ns;
  return std::min(until + bytes * kNsPerByte, now + timeout_ns);
}

}  // namespace baton
