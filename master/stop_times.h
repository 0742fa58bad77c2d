// When a stop does what.
#pragma once

#include <algorithm>
#include <cstdint>

#include "common/base/clock.h"

namespace baton {

// On CLOCK_MONOTONIC. The master looks once a tick (kTickNs): it acts on each at most a tick late.
struct StopTimes {
  // For what modules do at the end (on_worker_stop), and at least for that.
  static constexpr std::uint64_t kLastTurnNs = 1'000'000'000;

  std::uint64_t retire_ns = 0;  // the workers are told to go: nobody takes an event any more
  std::uint64_t kill_ns = 0;    // those that still have a request in hand are ended
  std::uint64_t end_ns = 0;     // the others, too

  // A graceful stop that begins now. It cuts off what is in hand a little before its time is up, so that the
  // server has ended by then.
  static constexpr StopTimes graceful(std::uint64_t now, std::uint64_t timeout_ns) {
    const std::uint64_t lead = std::min<std::uint64_t>(2 * kTickNs, timeout_ns / 5);
    const std::uint64_t retire = now + timeout_ns - lead;
    return {retire, retire + lead / 2, std::max(now + timeout_ns, retire + kLastTurnNs)};
  }
  // At once: a second for everybody.
  static constexpr StopTimes at_once(std::uint64_t now) {
    return {now, now + kLastTurnNs, now + kLastTurnNs};
  }

  // Nothing is in hand any more.
  [[nodiscard]] constexpr StopTimes drained(std::uint64_t now) const {
    const std::uint64_t end = std::max(end_ns, now + kLastTurnNs);
    return {now, end, end};
  }
};

}  // namespace baton
