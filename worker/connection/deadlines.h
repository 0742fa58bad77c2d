// Sets the deadlines of connections. The master's sweep enforces them (master/sweeper.h).
#pragma once

#include <algorithm>

#include "common/base/clock.h"
#include "common/shared/connection_table.h"

namespace baton {

// A body or a response that is slower than this for a whole timeout is given up. Otherwise a byte now and
// then would hold a connection for ever.
constexpr std::uint64_t kMinBytesPerSecond = 500;

// The fewest bytes of a response that a client must take within `timeout`.
inline std::int64_t least_progress(Duration timeout) {
  return std::max<std::int64_t>(1, static_cast<std::int64_t>(kMinBytesPerSecond) * timeout.count() / 1000);
}

// A client may get its last answer while it still writes, for example a body that the server does not want.
// It reads the answer once it has written all. So a lingering connection lasts until the client has been
// silent for 5 s, or 30 s have passed in all (both as in nginx), or 1 GiB has come. 1 GiB in 30 s is
// 270 Mbit/s, so time is what ends most uploads. To discard 1 GiB costs a worker some 0.1 s of CPU.
constexpr Tick kLingerIdleTicks = std::uint64_t{5'000'000'000} / kTickNs;
constexpr Tick kLingerTicks = std::uint64_t{30'000'000'000} / kTickNs;
constexpr std::uint64_t kLingerBytes = std::uint64_t{1} << 30;
// The time in all while the server stops: a stop does not wait for lingering connections.
constexpr Tick kLingerStoppingTicks = 2'000'000'000 / kTickNs;

// How long a request for a module waits for a place (worker/h1/admission.h).
constexpr Tick kPlaceTicks = std::uint64_t{5'000'000'000} / kTickNs;

// The functions below are for the holder of the claim.

inline void set_deadline(Slot& slot, Deadline kind, Tick at) {
  slot.deadline_kind = kind;
  // Requests within one tick come to the same value. If it is not stored again, other cores keep the line.
  if (slot.deadline.load(std::memory_order_relaxed) != at) slot.deadline.store(at, std::memory_order_relaxed);
}

// The deadline of a lingering connection whose client was heard at `now`.
inline void set_linger_deadline(Slot& slot, Tick now) {
  const Tick end = slot.linger_end != 0 ? slot.linger_end : now + kLingerTicks;
  set_deadline(slot, Deadline::kLinger, std::min(now + kLingerIdleTicks, end));
}

// Returns the new deadline of a body, in ns. `until` is the deadline before `bytes` more came. Each byte
// earns the time that it takes at the least speed. But the deadline is never more than one timeout from now:
// a client that was fast at first gets no credit for a body that trickles for ever.
inline std::uint64_t transfer_until(std::uint64_t until, std::uint64_t bytes, std::uint64_t timeout_ns,
                                    std::uint64_t now) {
  constexpr std::uint64_t kNsPerByte = 1'000'000'000 / kMinBytesPerSecond;
  if (bytes >= timeout_ns / kNsPerByte) return now + timeout_ns;
  return std::min(until + bytes * kNsPerByte, now + timeout_ns);
}

}  // namespace baton
