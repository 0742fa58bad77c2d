// The times at which a stop takes its steps.
#pragma once

#include <algorithm>
#include <cstdint>

#include "common/base/clock.h"

namespace baton {

// On CLOCK_MONOTONIC. The master looks once a tick (kTickNs), so it takes each step at most a tick late.
struct StopTimes {
  // The least time that modules have for what they do at the end (on_worker_stop).
  static constexpr std::uint64_t kLastTurnNs = 1'000'000'000;

  std::uint64_t retire_ns = 0;  // the workers are told to go; none of them takes an event any more
  std::uint64_t kill_ns = 0;    // workers that still have a request in hand are killed
  std::uint64_t end_ns = 0;     // all other workers are killed, too

  // A graceful stop that begins now. It cuts off what is in hand a little before `timeout_ns` is over, so
  // that the server has ended by then.
  static constexpr StopTimes graceful(std::uint64_t now, std::uint64_t timeout_ns) {
    const std::uint64_t lead = std::min<std::uint64_t>(2 * kTickNs, timeout_ns / 5);
    const std::uint64_t retire = now + timeout_ns - lead;
    return {retire, retire + lead / 2, std::max(now + timeout_ns, retire + kLastTurnNs)};
  }
  // A stop at once: every worker has one second.
  static constexpr StopTimes at_once(std::uint64_t now) {
    return {now, now + kLastTurnNs, now + kLastTurnNs};
  }

  // The times after the last connection has ended.
  [[nodiscard]] constexpr StopTimes drained(std::uint64_t now) const {
    const std::uint64_t end = std::max(end_ns, now + kLastTurnNs);
    return {now, end, end};
  }
};

}  // namespace baton
