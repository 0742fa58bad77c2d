// DictMemory::rebuild: makes everything derived anew from the cells.
#include <algorithm>

#include "common/dict/cursor.h"
#include "common/dict/memory.h"

namespace baton {

namespace {

constexpr CellIndex kUnlisted = ~CellIndex{0};  // in DictCell::newer while the order of use is rebuilt

// No clock gets there: 2^62 uses take centuries. A value above it is a stray write.
constexpr std::uint64_t kMostClock = std::uint64_t{1} << 62;

}  // namespace

std::uint64_t DictMemory::rebuild(bool everything) {
  damaged_ = false;
  DictHeader& header = *header_;
  if (header.clock > kMostClock) header.clock = 0;
  if (header.cleared.load(std::memory_order_relaxed) > kMostClock)
    header.cleared.store(0, std::memory_order_relaxed);
  header.clock = std::max(header.clock, header.cleared.load(std::memory_order_relaxed));
  const CellIndex end = everything ? cell_count_ : std::clamp<CellIndex>(header.fresh, 1, cell_count_);

  const std::uint64_t lost = rebuild_entries(end);
  rebuild_recency(end);
  header.heap_size = 0;
  for (CellIndex entry = 1; entry < end; ++entry)
    if (is_entry(entry)) enter_heap(entry);
  rebuild_free(end);
  return lost;
}

// Frees all cells except those of entries. Then each entry claims its own cells and enters the index.
std::uint64_t DictMemory::rebuild_entries(CellIndex end) {
  for (CellIndex index = 1; index < end; ++index) {
    DictCell& cell = cells_[index];
    if (is_entry(index)) continue;
    cell.sequence.store(0, std::memory_order_relaxed);
    cell.first = 0;
  }
  std::fill(buckets_.begin(), buckets_.end(), 0);
  header_->entry_count = 0;
  std::uint64_t lost = 0;
  for (CellIndex entry = 1; entry < end; ++entry) {
    if (!is_entry(entry)) continue;
    if (!claim(entry, end)) {
      drop(entry);
      ++lost;
      continue;
    }
    DictCell& cell = cells_[entry];
    header_->clock = std::max({header_->clock, cell.used, cell.sequence.load(std::memory_order_relaxed)});
    cell.newer = kUnlisted;
    index_newest_of_key(entry);
  }
  return lost;
}

// False: the entry makes no sense, or leads to cells that another entry has.
bool DictMemory::claim(CellIndex entry, CellIndex end) {
  const DictCell& cell = cells_[entry];
  if (cell.first != entry || cell.sequence.load(std::memory_order_relaxed) > kMostClock ||
      cell.used > kMostClock || !can_hold(cell.key_bytes, cell.value_bytes))
    return false;
  CellIndex last = entry;
  for (std::uint32_t n = cells_of(cell.key_bytes + cell.value_bytes); n > 1; --n) {
    const CellIndex next = cells_[last].next;
    if (next == 0 || next >= end || cells_[next].first != 0) return false;
    cells_[next].first = entry;
    last = next;
  }
  return cells_[last].next == 0;
}

void DictMemory::drop(CellIndex entry) {
  withdraw(entry);
  CellIndex index = entry;
  while (true) {
    cells_[index].first = 0;
    index = cells_[index].next;
    if (index == 0 || index >= cell_count_ || cells_[index].first != entry) return;
  }
}

// A process that died between publishing an entry and withdrawing its predecessor has left two.
void DictMemory::index_newest_of_key(CellIndex entry) {
  DictCell& cell = cells_[entry];
  char text[kMaxKeyBytes];
  Cursor(*this, entry).read({text, cell.key_bytes});
  const std::string_view key(text, cell.key_bytes);
  cell.hash = hash(key);
  const CellIndex other = find(key, cell.hash);
  if (other != 0) {
    const bool older = cells_[other].sequence.load(std::memory_order_relaxed) <
                       cell.sequence.load(std::memory_order_relaxed);
    if (!older) return drop(entry);
    leave_index(other);
    drop(other);
    --header_->entry_count;
  }
  enter_index(entry);
  ++header_->entry_count;
}

// -- order of use

// Begins with what the list still says. After a death the list lacks only one entry, so sorting it takes
// one or two looks at each.
void DictMemory::rebuild_recency(CellIndex end) {
  CellIndex list = 0;
  CellIndex last = 0;
  const auto append = [&](CellIndex entry) {
    (last != 0 ? cells_[last].older : list) = entry;
    cells_[entry].newer = 0;
    last = entry;
  };
  for (CellIndex entry = header_->newest; is_entry(entry) && cells_[entry].newer == kUnlisted;) {
    const CellIndex next = cells_[entry].older;
    append(entry);
    entry = next;
  }
  for (CellIndex entry = 1; entry < end; ++entry)
    if (is_entry(entry) && cells_[entry].newer == kUnlisted) append(entry);
  if (last != 0) cells_[last].older = 0;

  header_->newest = sort_by_use(list);
  header_->oldest = 0;
  for (CellIndex entry = header_->newest; entry != 0; entry = cells_[entry].older) {
    cells_[entry].newer = header_->oldest;
    header_->oldest = entry;
  }
}

// A natural merge sort of the list linked by `older`. Runs that are in order stay as they are.
CellIndex DictMemory::sort_by_use(CellIndex list) {
  while (true) {
    CellIndex sorted = 0;
    CellIndex* end = &sorted;
    std::uint32_t merges = 0;
    for (; list != 0; ++merges) {
      const CellIndex a = cut_run(list);
      end = merge(a, cut_run(list), end);
    }
    if (merges <= 1) return sorted;
    list = sorted;
  }
}

CellIndex DictMemory::cut_run(CellIndex& list) {
  if (list == 0) return 0;
  const CellIndex run = list;
  CellIndex last = run;
  for (CellIndex next = 0; (next = cells_[last].older) != 0 && cells_[last].used >= cells_[next].used;)
    last = next;
  list = cells_[last].older;
  cells_[last].older = 0;
  return run;
}

// Appends both lists, merged, at `end`; returns the new end.
CellIndex* DictMemory::merge(CellIndex a, CellIndex b, CellIndex* end) {
  while (a != 0 && b != 0) {
    CellIndex& newer = cells_[a].used >= cells_[b].used ? a : b;
    *end = newer;
    end = &cells_[newer].older;
    newer = *end;
  }
  *end = a != 0 ? a : b;
  while (*end != 0) end = &cells_[*end].older;
  return end;
}

// -- free cells

void DictMemory::rebuild_free(CellIndex end) {
  header_->free_first = 0;
  header_->free_count = 0;
  for (CellIndex index = end; index-- > 1;) {
    if (cells_[index].first != 0) continue;
    cells_[index].next = header_->free_first;
    header_->free_first = index;
    ++header_->free_count;
  }
  header_->fresh = end;
}

}  // namespace baton
