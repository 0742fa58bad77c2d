// Setting a connection's deadline. The master's sweep enforces them (master/sweeper.h).
#pragma once

#include <algorithm>

#include "common/connection_table.h"

namespace baton {

// Slower than this many bytes a second for a whole timeout, and a body or a response is given up: otherwise a
// byte now and then would hold a connection for ever.
constexpr std::uint64_t kMinBytesPerSecond = 500;

// How long a client that is shown out may take to close its own side.
constexpr Tick kLingerTicks = 2'000'000'000 / kTickNs;

// All are for the holder of the claim.
inline void set_deadline(Slot& slot, Deadline kind, Tick at) {
  slot.deadline_kind = kind;
  // Within one tick consecutive requests come to the same value: spare the other cores the cache line.
  if (slot.deadline.load(std::memory_order_relaxed) != at) slot.deadline.store(at, std::memory_order_relaxed);
}

// The latest tick by which a transfer begun at `start` that has moved `bytes` must move on.
inline Tick transfer_deadline(Tick start, std::uint64_t bytes, Tick timeout, Tick now) {
  const std::uint64_t earned = bytes * (1'000'000'000 / kTickNs) / kMinBytesPerSecond;
  return static_cast<Tick>(
      std::min<std::uint64_t>(std::uint64_t{now} + timeout, std::uint64_t{start} + timeout + earned));
}

}  // namespace baton
