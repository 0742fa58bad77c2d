// Time, as coarse as each use allows.
#pragma once

#include <chrono>
#include <cstdint>
#include <ctime>

namespace baton {

using Duration = std::chrono::milliseconds;

// Nanoseconds of CLOCK_MONOTONIC: the same clock in every process.
inline std::uint64_t monotonic_ns() {
  timespec now{};
  ::clock_gettime(CLOCK_MONOTONIC, &now);
  return static_cast<std::uint64_t>(now.tv_sec) * 1'000'000'000U + static_cast<std::uint64_t>(now.tv_nsec);
}

// Deadlines are counted in ticks of 100 ms since boot; 32 bits last 13 years. 0 means "no deadline".
using Tick = std::uint32_t;
constexpr std::uint64_t kTickNs = 100'000'000;

inline Tick tick_of(std::uint64_t ns) {
  return static_cast<Tick>(ns / kTickNs);
}

// Rounds up, so that a deadline never comes early and a short one never becomes "none".
inline Tick ticks_of(Duration duration) {
  return static_cast<Tick>((static_cast<std::uint64_t>(duration.count()) * 1'000'000U + kTickNs - 1) /
                           kTickNs);
}

}  // namespace baton
