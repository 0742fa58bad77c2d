// When a worker has been in one request for too long.
#pragma once

#include <cstdint>

#include "common/base/clock.h"
#include "common/shared/scoreboard.h"

namespace baton {

// Says at every tick of the master what to do with one worker. Pure: it does nothing itself. It counts its
// own looks instead of comparing clocks: a master that was itself stopped, or had no processor, has not
// looked, and so ends no worker for that time.
class Watchdog {
 public:
  enum class Action : std::uint8_t {
    kNone,
    kAbort,  // the request is past its limit: send SIGABRT, whose handler reports where the worker is
    kKill,   // the worker is still there a second later: send SIGKILL
  };
  static constexpr std::uint32_t kTicksToKill = 1'000'000'000 / kTickNs;

  // To be called once a tick (kTickNs). `since_ns`, `busy` and `limit_ms` come from the worker's flight
  // record; a limit of 0 means none. Never fires early, and at most two ticks late.
  Action tick(std::uint64_t since_ns, bool busy, std::uint32_t limit_ms) {
    if (fired_) return ++ticks_ % kTicksToKill == 0 ? Action::kKill : Action::kNone;
    if (!busy || since_ns != since_ns_) {
      since_ns_ = since_ns;
      ticks_ = 0;
      return Action::kNone;
    }
    // The first look may have come at any moment of the request, the last but one just before its limit.
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

  // Whether tick() has returned kAbort: there is no way back from that.
  [[nodiscard]] bool fired() const { return fired_; }

 private:
  using Duration = std::chrono::milliseconds;

  std::uint64_t since_ns_ = 0;
  std::uint32_t ticks_ = 0;
  bool fired_ = false;
};

}  // namespace baton
