// How many workers may be in one handler at a time. A worker's death cannot spoil the count.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstdint>

#include "common/base/limits.h"
#include "common/shared/connection_table.h"

namespace baton {

// As many words as there can be permits. A worker that puts its own number into a free word has that
// permit. There is no counter: the held permits are the count, and the master takes back a dead worker's. A
// segment reads as zeroes at first, which means that all are free.
struct alignas(64) PermitSet {
  std::atomic<std::uint16_t> holders[kMaxWorkersPerGeneration];  // Holder + 1; 0: free

  // Takes one of the first `most` permits, for a worker that has none of this set. False: all are taken.
  bool acquire(Holder worker, std::uint32_t most) {
    for (std::uint32_t i = 0; i < std::min(most, kMaxWorkersPerGeneration); ++i) {
      std::uint16_t free = 0;
      if (holders[i].load(std::memory_order_relaxed) == 0 &&
          holders[i].compare_exchange_strong(free, static_cast<std::uint16_t>(worker + 1)))
        return true;
    }
    return false;
  }

  // The worker itself and the master may call it, even at the same time: a permit that another worker has
  // taken meanwhile stays that worker's.
  void release(Holder worker) {
    for (auto& holder : holders) {
      auto own = static_cast<std::uint16_t>(worker + 1);
      if (holder.load(std::memory_order_relaxed) == own) holder.compare_exchange_strong(own, 0);
    }
  }

  [[nodiscard]] bool has_free(std::uint32_t most) const {
    return count_held(most) < std::min(most, kMaxWorkersPerGeneration);
  }
  // How many of the first `most` are held.
  [[nodiscard]] std::uint32_t count_held(std::uint32_t most = kMaxWorkersPerGeneration) const {
    std::uint32_t held = 0;
    for (std::uint32_t i = 0; i < std::min(most, kMaxWorkersPerGeneration); ++i)
      held += holders[i].load(std::memory_order_relaxed) != 0 ? 1 : 0;
    return held;
  }
};

// How many handlers with a max_concurrency one generation may have. Each generation numbers them from 0. So
// during a reload a handler may have to share a set with another handler of the generation before, for as
// long as a request lasts.
constexpr std::uint32_t kMaxPermitSets = 128;

}  // namespace baton
