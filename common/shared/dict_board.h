// Figures of the shared dictionaries, in the instance's own segment. A process that has the segment mapped
// can read them without the dictionaries' memory and without their lock.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <span>

namespace baton {

constexpr std::size_t kMaxDictNameBytes = 63;

// Written only under the dictionary's lock; relaxed. Each counter is right by itself, but two of them may
// be an instant apart.
struct DictCounters {
  using Counter = std::atomic<std::uint64_t>;
  Counter entries{0};     // now
  Counter bytes_used{0};  // now, in whole cells
  Counter hits{0};        // gets that found a value
  Counter misses{0};
  Counter evictions{0};  // live entries dropped for want of room, least recently used first
  Counter expired{0};    // entries dropped because their time was over
  Counter repairs{0};    // times that an owner of the lock died and the next owner repaired
  Counter damages{0};    // times that impossible values were found and the dictionary rebuilt
  Counter lost{0};       // entries that a rebuild could not keep
};

struct alignas(64) DictEntry {
  // 1: a dictionary; the master stores it after `name`, `bytes_total` and `size`.
  std::atomic<std::uint32_t> used{0};
  char name[kMaxDictNameBytes + 1] = {};
  std::uint64_t bytes_total = 0;  // of its cells
  std::uint64_t size = 0;         // of its memory, as configured when it was made
  alignas(64) DictCounters counters;
};

// Twice as many as a configuration may have, because workers of earlier configurations still use theirs.
constexpr std::size_t kDictEntries = 128;
using DictBoard = std::span<DictEntry>;

}  // namespace baton
