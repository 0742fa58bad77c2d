// Waits for a state, never for a time.
#pragma once

#include <chrono>
#include <thread>

namespace baton::test {

// How long a state may take before the test fails. It is long, because only a broken server uses it up.
constexpr std::chrono::seconds kPatience{60};

// Waits until `state()` holds. False if it does not within kPatience.
template <typename State>
[[nodiscard]] bool wait_until(State state) {
  const auto end = std::chrono::steady_clock::now() + kPatience;
  while (!state()) {
    if (std::chrono::steady_clock::now() > end) return false;
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  return true;
}

}  // namespace baton::test
