// The memory of one shared dictionary, byte by byte.
//
//   offset 0   DictHeader               one page
//              CellIndex[cell_count]    the index: for each bucket the first of its entries          derived
//              CellIndex[cell_count]    a heap of the entries that expire, the soonest first         derived
//              DictCell[cell_count]     the entries, and what is free
//
// All is made of cells of one size, so there is no fragmentation: an entry is a chain of cells, the first of
// which says what it is. An entry exists exactly while its first cell has a `sequence` above
// DictHeader::cleared; that one word is stored when all else of the entry is in place, and cleared before any
// of it is taken apart. Everything marked derived can be made anew from the cells, and is, when a process
// died while it held the lock (DictMemory::rebuild). That is why nothing here needs a journal.
//
// Cell 0 is nobody's: as an index 0 is "none", and what would go to an impossible index goes there. A new
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
  static constexpr std::size_t kFirstBytes = 68;     // of key and value in an entry's first cell
  static constexpr std::size_t kFurtherBytes = 112;  // and in each further one, which ends after `first`
  static constexpr std::size_t kFurtherOffset = 16;

  std::atomic<std::uint64_t> sequence{
      0};               // of entries with one key the higher is the newer; 0: no entry's first
  CellIndex next = 0;   // of the chain; of a free cell the next free one (derived)
  CellIndex first = 0;  // of the entry that the cell belongs to; 0: the cell is free
  // In an entry's first cell:
  std::uint64_t used = 0;        // when last, on DictHeader::clock
  std::uint64_t expires_ns = 0;  // on CLOCK_MONOTONIC; 0: never
  std::uint32_t hash = 0;        // derived from the key
  std::uint32_t key_bytes = 0;
  std::uint32_t value_bytes = 0;
  CellIndex chain = 0;        // derived: the next entry of the bucket
  CellIndex newer = 0;        // derived: neighbours by recency
  CellIndex older = 0;        // derived
  std::uint32_t heap_at = 0;  // derived: position in the heap + 1; 0: not in it
  char text[kFirstBytes] = {};
};
static_assert(sizeof(DictCell) == 128 && offsetof(DictCell, text) == 60);
static_assert(DictCell::kFurtherOffset + DictCell::kFurtherBytes == sizeof(DictCell));

struct DictHeader {
  // Raised when the meaning of anything here changes; sizes and places are covered by the fingerprint.
  static constexpr std::uint32_t kLayoutVersion = 1;

  char magic[8] = {};  // "batondct"; stored last. Frozen, like all up to `name`
  std::uint32_t layout_version = 0;
  std::uint32_t cell_count = 0;
  std::uint64_t fingerprint = 0;
  std::uint64_t total_bytes = 0;
  SipKey hash_key;
  char name[kMaxDictNameBytes + 1] = {};

  alignas(64) RobustMutex mutex;  // guards all that follows and is not frozen

  alignas(64) std::uint64_t clock = 0;    // counts publications and uses
  std::atomic<std::uint64_t> cleared{0};  // entries up to this sequence are gone
  CellIndex fresh = 1;                    // this cell and all above were not used since the last clear()
  // Derived.
  CellIndex free_first = 0;
  std::uint32_t free_count = 0;
  CellIndex newest = 0;
  CellIndex oldest = 0;
  std::uint32_t entry_count = 0;
  std::uint32_t heap_size = 0;
};

// Where the parts are in memory of a size. Pure arithmetic: the same in every process.
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
