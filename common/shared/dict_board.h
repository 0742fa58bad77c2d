// What is known of the shared dictionaries, in the instance's own segment: whoever has that mapped sees it,
// without the dictionaries' memory and without their lock.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <span>

namespace baton {

constexpr std::size_t kMaxDictNameBytes = 63;

// Written by who holds the dictionary's lock, relaxed: each is right by itself, together they may be an
// instant apart.
struct DictCounters {
  using Counter = std::atomic<std::uint64_t>;
  Counter entries{0};     // now
  Counter bytes_used{0};  // now, in whole cells
  Counter hits{0};        // gets that found something
  Counter misses{0};
  Counter evictions{0};  // live entries dropped because there was no room, least recently used first
  Counter expired{0};    // entries dropped because their time was over
  Counter repairs{0};    // times an owner of the lock died, and the next one put all in order
  Counter damages{0};    // times impossible values were found, and put right
  Counter lost{0};       // entries that could not be kept then
};

struct alignas(64) DictEntry {
  std::atomic<std::uint32_t> used{0};  // 1: a dictionary; stored by the master after the next two
  char name[kMaxDictNameBytes + 1] = {};
  std::uint64_t bytes_total = 0;  // of its cells
  std::uint64_t size = 0;         // of its memory: what the configuration said when it was made
  alignas(64) DictCounters counters;
};

// Twice what a configuration may have: workers of earlier ones still use theirs.
constexpr std::size_t kDictEntries = 128;
using DictBoard = std::span<DictEntry>;

}  // namespace baton
