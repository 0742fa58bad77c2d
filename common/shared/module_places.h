// Which workers are in handlers that take long, and which connections wait for one of them to be done, so
// that a worker's death spoils neither. The decision is worker/h1/admission.h's.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <optional>

#include "common/base/clock.h"
#include "common/shared/permits.h"

namespace baton {

// What is known of the time that one handler takes, for all workers of a generation. By the mean of its runs
// it is slow or not: each adds its milliseconds and takes one off, within bounds. So a run that others on the
// machine held up once makes no slow handler, and a few quick ones between slow ones no quick one.
class HandlerSpeed {
 public:
  // Also when nothing is known yet.
  [[nodiscard]] bool slow() const {
    const std::uint8_t level = level_.load(std::memory_order_relaxed);
    return level == kUnknown || level >= kSlow;
  }
  // A run has ended, or lasts for so long. Two at a time may count as one.
  void note(std::uint64_t ns);
  // For a handler of another generation.
  void forget() { level_.store(kUnknown, std::memory_order_relaxed); }

 private:
  static constexpr std::uint8_t kUnknown = 0;
  static constexpr std::uint8_t kQuickest = 1;
  static constexpr std::uint8_t kSlow = 17;      // one run of 17 ms
  static constexpr std::uint8_t kSlowest = 251;  // as many quick ones later it is quick again
  std::atomic<std::uint8_t> level_;
};

// Connections whose request waits, each a word that names it. So there is no count to be spoiled, and a
// word that a dead worker has left is found by the next who looks at it to be of no meaning.
class WaitingLine {
 public:
  static constexpr std::size_t kMost = 128;

  // By the holder of the connection, which waits until then. False: there are as many as may be.
  bool put(int fd, Tick until);
  void remove(int fd);
  [[nodiscard]] bool contains(int fd) const;
  // Takes out the one that began to wait first, to a tick.
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

// In the shared segment, which reads as zeroes at first: nobody is in, nobody waits, nothing is known.
struct ModulePlaces {
  // Handlers of one generation whose speed is told apart. They are numbered in the order in which they are
  // added; those past so many share what is known.
  static constexpr std::uint32_t kHandlers = 1024;

  PermitSet held;  // one word for each worker that has a place
  alignas(64) WaitingLine line;
  // Of the generations with an even number, and with an odd one: during a reload there are two.
  alignas(64) HandlerSpeed speeds[2][kHandlers];

  [[nodiscard]] HandlerSpeed& speed(std::uint32_t generation, std::uint32_t handler) {
    return speeds[generation % 2][handler % kHandlers];
  }
  // By the master, before the generation's first worker is started.
  void forget_speeds(std::uint32_t generation) {
    for (HandlerSpeed& speed : speeds[generation % 2]) speed.forget();
  }
};

}  // namespace baton
