// When a worker has been in one request for too long.
#pragma once

#include <cstdint>

#include "common/base/clock.h"
#include "common/shared/scoreboard.h"

namespace baton {

// Looks at one worker at every tick of the master and says what to do with it. Pure. It counts its own looks
// instead of comparing clocks: a master that was itself stopped, or had no processor, has not looked, and
// ends nobody for it.
class Watchdog {
 public:
  enum class Action : std::uint8_t {
    kNone,
    kAbort,  // past its limit: SIGABRT, whose handler tells where it is
    kKill,   // still there a second later: SIGKILL
  };
  static constexpr std::uint32_t kTicksToKill = 1'000'000'000 / kTickNs;

  // Once a tick (kTickNs). `since_ns`, `busy` and `limit_ms` are of the worker's flight record; with a limit
  // of 0 it may take for ever. Never early, and at most two ticks late.
  Action tick(std::uint64_t since_ns, bool busy, std::uint32_t limit_ms) {
    if (fired_) return ++ticks_ % kTicksToKill == 0 ? Action::kKill : Action::kNone;
    if (!busy || since_ns != since_ns_) {
      since_ns_ = since_ns;
      ticks_ = 0;
      return Action::kNone;
    }
    // The first look may have come at any time within the request, the last but one just before its limit.
    const std::uint32_t limit_ticks = ticks_of(Duration(limit_ms)) + 1;
    if (++ticks_ < limit_ticks || limit_ms == 0) return Action::kNone;
    fired_ = true;
    ticks_ = 0;
    return Action::kAbort;
  }
  Action tick(const FlightRecord& flight) {
    return tick(flight.since_ns.load(std::memory_order_relaxed),
                flight.phase.load(std::memory_order_relaxed) != FlightPhase::kWaiting,
                flight.limit_ms.load(std::memory_order_relaxed));
  }

  // Whether it has said kAbort: there is no way back from that.
  [[nodiscard]] bool fired() const { return fired_; }

 private:
  using Duration = std::chrono::milliseconds;

  std::uint64_t since_ns_ = 0;
  std::uint32_t ticks_ = 0;
  bool fired_ = false;
};

}  // namespace baton
