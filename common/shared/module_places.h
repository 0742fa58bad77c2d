// Which workers are in slow handlers, and which connections wait until such a worker is done. A worker's
// death spoils neither. worker/h1/admission.h decides by them.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <optional>

#include "common/base/clock.h"
#include "common/shared/permits.h"

namespace baton {

// How long one handler takes, for all workers of a generation. The mean of its runs decides whether it is
// slow: each run adds its milliseconds to a level and takes one off, within bounds. So one run that was
// held up by something else on the machine makes no slow handler, and a few quick runs between slow ones
// make no quick handler.
class HandlerSpeed {
 public:
  // True also when nothing is known yet.
  [[nodiscard]] bool slow() const {
    const std::uint8_t level = level_.load(std::memory_order_relaxed);
    return level == kUnknown || level >= kSlow;
  }
  // A run has ended after `ns`, or has lasted that long so far. Two notes at the same time may count as
  // one.
  void note(std::uint64_t ns);
  // Starts anew, for a handler of another generation.
  void forget() { level_.store(kUnknown, std::memory_order_relaxed); }

 private:
  static constexpr std::uint8_t kUnknown = 0;
  static constexpr std::uint8_t kQuickest = 1;
  static constexpr std::uint8_t kSlow = 17;      // one run of 17 ms
  static constexpr std::uint8_t kSlowest = 251;  // after as many quick runs it is quick again
  std::atomic<std::uint8_t> level_;
};

// The connections whose request waits. Each is a word that names the connection, so there is no count to be
// spoiled. A dead worker may leave a word: the next worker that looks at it finds that it means nothing.
class WaitingLine {
 public:
  static constexpr std::size_t kMost = 128;

  // For the holder of the connection, which waits until `until`. False: the line is full.
  bool put(int fd, Tick until);
  void remove(int fd);
  [[nodiscard]] bool contains(int fd) const;
  // Takes out the connection that has waited longest, to a tick.
  std::optional<int> take_first();
  [[nodiscard]] std::size_t count() const;

 private:
  static constexpr std::uint64_t kFree = 0;
  static constexpr std::uint64_t word_of(int fd, Tick until) {
    return std::uint64_t{until} << 32 | (static_cast<std::uint32_t>(fd) + 1);
  }
  static constexpr int fd_of(std::uint64_t word) {
    return static_cast<int>(static_cast<std::uint32_t>(word) - 1);
  }
  static constexpr Tick until_of(std::uint64_t word) { return static_cast<Tick>(word >> 32); }

  std::atomic<std::uint64_t> words_[kMost];
};

// A part of the segment, which reads as zeroes at first: no worker has a place, no connection waits,
// nothing is known.
struct ModulePlaces {
  // How many handlers of one generation have a speed of their own. Handlers are numbered in the order in
  // which they are added; those beyond this number share speeds.
  static constexpr std::uint32_t kHandlers = 1024;

  PermitSet held;  // one word for each worker that has a place
  alignas(64) WaitingLine line;
  // One row for generations with an even number, one for the odd: during a reload there are two
  // generations.
  alignas(64) HandlerSpeed speeds[2][kHandlers];

  [[nodiscard]] HandlerSpeed& speed(std::uint32_t generation, std::uint32_t handler) {
    return speeds[generation % 2][handler % kHandlers];
  }
  // For the master, before the generation's first worker starts.
  void forget_speeds(std::uint32_t generation) {
    for (HandlerSpeed& speed : speeds[generation % 2]) speed.forget();
  }
};

}  // namespace baton
