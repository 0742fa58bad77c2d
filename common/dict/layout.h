// The memory of one shared dictionary, byte by byte.
//
//   offset 0   DictHeader               one page
//              CellIndex[cell_count]    the index: for each bucket the first of its entries          derived
//              CellIndex[cell_count]    a heap of the entries that expire, the soonest first         derived
//              DictCell[cell_count]     the entries, and what is free
//
// All entries are made of cells of one size, so there is no fragmentation. An entry is a chain of cells,
// and its first cell describes it. A new object reads as zeroes, which is an empty dictionary, except for
// the frozen part of its header.
//
// Invariants
//
// (1) An entry exists exactly while the `sequence` of its first cell is above DictHeader::cleared. That one
//     word is stored when everything else of the entry is in place, and cleared before any of it is taken
//     apart.
// (2) Everything marked derived can be made anew from the cells. DictMemory::rebuild does so when a process
//     died while it held the lock. So nothing here needs a journal.
// (3) Cell 0 belongs to no entry. As an index, 0 means "none", and a write to an impossible index goes to
//     cell 0.
// object reads as zeroes, which is an empty dictionary but for the frozen part of its header.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>

#include "common/base/robust_mutex.h"
#include "common/base/siphash.h"
#include "common/shared/dict_board.h"

namespace baton {

using CellIndex = std::uint32_t;

struct DictCell {
  // How many bytes of key and value an entry's first cell holds, and each further cell. In a further cell
  // they begin after `first`.
  static constexpr std::size_t kFirstBytes = 68;
  static constexpr std::size_t kFurtherBytes = 112;
  static constexpr std::size_t kFurtherOffset = 16;

  // Of two entries with one key the higher is the newer. 0: not the first cell of an entry.
  std::atomic<std::uint64_t> sequence{0};
  CellIndex next = 0;   // the next cell of the chain; of a free cell the next free cell (derived)
  CellIndex first = 0;  // first cell of the entry that this cell belongs to; 0: the cell is free
  // In an entry's first cell:
  std::uint64_t used = 0;        // when last used, on DictHeader::clock
  std::uint64_t expires_ns = 0;  // on CLOCK_MONOTONIC; 0: never
  std::uint32_t hash = 0;        // derived from the key
  std::uint32_t key_bytes = 0;
  std::uint32_t value_bytes = 0;
  CellIndex chain = 0;        // derived: the next entry in the bucket
  CellIndex newer = 0;        // derived: neighbours by recency
  CellIndex older = 0;        // derived
  std::uint32_t heap_at = 0;  // derived: position in the heap + 1; 0: not in it
  char text[kFirstBytes] = {};
};
static_assert(sizeof(DictCell) == 128 && offsetof(DictCell, text) == 60);
static_assert(DictCell::kFurtherOffset + DictCell::kFurtherBytes == sizeof(DictCell));

struct DictHeader {
  // Raise it when the meaning of anything here changes. The fingerprint covers sizes and places.
  static constexpr std::uint32_t kLayoutVersion = 1;

  char magic[8] = {};  // "batondct"; stored last. Frozen, like all members up to `name`
  std::uint32_t layout_version = 0;
  std::uint32_t cell_count = 0;
  std::uint64_t fingerprint = 0;
  std::uint64_t total_bytes = 0;
  SipKey hash_key;
  char name[kMaxDictNameBytes + 1] = {};

  alignas(64) RobustMutex mutex;  // guards all of the memory that is not frozen

  alignas(64) std::uint64_t clock = 0;    // counts publications and uses
  std::atomic<std::uint64_t> cleared{0};  // entries up to this sequence no longer exist
  CellIndex fresh = 1;                    // no cell from here on was used since the last clear()
  // Derived.
  CellIndex free_first = 0;
  std::uint32_t free_count = 0;
  CellIndex newest = 0;
  CellIndex oldest = 0;
  std::uint32_t entry_count = 0;
  std::uint32_t heap_size = 0;
};

// Where the parts lie in memory of a given size. Pure arithmetic: the same in every process.
struct DictLayout {
  static constexpr std::size_t kHeaderBytes = 4096;

  std::uint32_t cell_count = 0;
  std::size_t buckets = 0;
  std::size_t heap = 0;
  std::size_t cells = 0;

  static constexpr DictLayout of(std::uint64_t bytes) {
    constexpr std::uint64_t kPerCell = sizeof(DictCell) + 2 * sizeof(CellIndex);
    DictLayout at;
    at.cell_count = static_cast<std::uint32_t>((bytes - kHeaderBytes - sizeof(DictCell)) / kPerCell);
    at.buckets = kHeaderBytes;
    at.heap = at.buckets + sizeof(CellIndex) * at.cell_count;
    const std::size_t end = at.heap + sizeof(CellIndex) * at.cell_count;
    at.cells = (end + sizeof(DictCell) - 1) / sizeof(DictCell) * sizeof(DictCell);
    return at;
  }
};
static_assert(sizeof(DictHeader) <= DictLayout::kHeaderBytes);

}  // namespace baton
