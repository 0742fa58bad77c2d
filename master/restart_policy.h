// Says when a dead worker is to be started again.
#pragma once

#include <algorithm>
#include <cstdint>

namespace baton {

// At once if it had become ready: even in a storm of crashes, each costs no more than a clone. A worker that
// dies before it is ready would die and start in a tight loop, so it waits exponentially longer each time,
// from 100 ms to 10 s. Pure. Each worker ordinal has one.
class RestartPolicy {
 public:
  static constexpr std::uint64_t kFirstDelayNs = 100'000'000;
  static constexpr std::uint64_t kLongestDelayNs = 10'000'000'000;

  // Returns when to start it again, on the clock of `now_ns`.
  std::uint64_t on_death(bool was_ready, std::uint64_t now_ns) {
    if (was_ready) {
      on_ready();
      return now_ns;
    }
    ++failures_;
    delay_ns_ = delay_ns_ == 0 ? kFirstDelayNs : std::min(delay_ns_ * 2, kLongestDelayNs);
    return now_ns + delay_ns_;
  }

  // The worker has become ready: earlier failures do not count any more.
  void on_ready() {
    delay_ns_ = 0;
    failures_ = 0;
  }

  // How many times in a row it has died before it was ready.
  [[nodiscard]] std::uint32_t failures() const { return failures_; }

 private:
  std::uint64_t delay_ns_ = 0;
  std::uint32_t failures_ = 0;
};

}  // namespace baton
