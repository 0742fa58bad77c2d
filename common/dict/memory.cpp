#include "common/dict/memory.h"

#include <atomic>

#include "common/dict/cursor.h"

namespace baton {

namespace {

// A process may be killed between any two instructions. Another process then finds what the instructions up
// to there have stored, whatever order the processor works in, because a signal is taken between two
// instructions. So it is enough to keep the compiler from moving stores across the one that counts.
void store_in_order(std::atomic<std::uint64_t>& word, std::uint64_t value) {
  std::atomic_signal_fence(std::memory_order_seq_cst);
  word.store(value, std::memory_order_relaxed);
  std::atomic_signal_fence(std::memory_order_seq_cst);
}

template <typename T>
T* place(void* base, std::size_t offset) {
  return reinterpret_cast<T*>(static_cast<char*>(base) + offset);
}

}  // namespace

DictMemory::DictMemory(void* base)
    : header_(static_cast<DictHeader*>(base)),
      cell_count_(header_->cell_count),
      hash_key_(header_->hash_key) {
  const DictLayout layout = DictLayout::of(header_->total_bytes);
  buckets_ = {place<CellIndex>(base, layout.buckets), cell_count_};
  heap_ = {place<CellIndex>(base, layout.heap), cell_count_};
  cells_ = {place<DictCell>(base, layout.cells), cell_count_};
}

// -- sizes

std::uint32_t DictMemory::hash(std::string_view key) const {
  return static_cast<std::uint32_t>(siphash(hash_key_, key));
}

std::uint32_t DictMemory::cells_of(std::size_t bytes) {
  if (bytes <= DictCell::kFirstBytes) return 1;
  const std::size_t further = bytes - DictCell::kFirstBytes;
  return static_cast<std::uint32_t>(1 + (further + DictCell::kFurtherBytes - 1) / DictCell::kFurtherBytes);
}

bool DictMemory::can_hold(std::size_t key_bytes, std::size_t value_bytes) const {
  return key_bytes <= kMaxKeyBytes && value_bytes <= bytes_total() &&
         cells_of(key_bytes + value_bytes) <= (cell_count_ - 1) / 2;
}

std::uint64_t DictMemory::bytes_total() const {
  return std::uint64_t{cell_count_ - 1} * sizeof(DictCell);
}

std::uint32_t DictMemory::free_cells() const {
  return header_->free_count + (cell_count_ - header_->fresh);
}

std::uint64_t DictMemory::bytes_used() const {
  return bytes_total() - std::uint64_t{free_cells()} * sizeof(DictCell);
}

// -- what can be believed

bool DictMemory::is_entry(CellIndex index) const {
  return index != 0 && index < cell_count_ &&
         cells_[index].sequence.load(std::memory_order_relaxed) >
             header_->cleared.load(std::memory_order_relaxed);
}

bool DictMemory::is_further(CellIndex index, CellIndex first) const {
  return index != first && index < cell_count_ && cells_[index].first == first &&
         cells_[index].sequence.load(std::memory_order_relaxed) == 0;
}

// Cell 0 receives what would go to an impossible index.
DictCell& DictMemory::at(CellIndex index) {
  if (index != 0 && index < cell_count_) return cells_[index];
  damaged_ = true;
  return cells_[0];
}

std::uint32_t DictMemory::bucket_of(std::uint32_t hash) const {
  return static_cast<std::uint32_t>((std::uint64_t{hash} * cell_count_) >> 32);
}

// -- entries

CellIndex DictMemory::find(std::string_view key, std::uint32_t hash) {
  const std::uint32_t bucket = bucket_of(hash);
  std::uint32_t most = cell_count_;
  for (CellIndex entry = buckets_[bucket]; entry != 0; entry = cells_[entry].chain) {
    const DictCell& cell = cells_[entry < cell_count_ ? entry : 0];
    if (!is_entry(entry) || cell.used > header_->clock || bucket_of(cell.hash) != bucket || most-- == 0) {
      damaged_ = true;
      return 0;
    }
    if (cell.hash == hash && cell.key_bytes == key.size() && Cursor(*this, entry).is(key)) return entry;
  }
  return 0;
}

void DictMemory::copy_value(CellIndex entry, std::string& value) {
  const DictCell& cell = at(entry);
  if (!can_hold(cell.key_bytes, cell.value_bytes)) {
    damaged_ = true;
    return;
  }
  value.resize(cell.value_bytes);
  Cursor cursor(*this, entry);
  cursor.skip(cell.key_bytes);
  cursor.read(value);
}

bool DictMemory::value_is(CellIndex entry, std::string_view value) {
  const DictCell& cell = at(entry);
  if (cell.value_bytes != value.size()) return false;
  Cursor cursor(*this, entry);
  cursor.skip(cell.key_bytes);
  return cursor.is(value);
}

void DictMemory::touch(CellIndex entry) {
  if (header_->newest == entry) return;
  leave_recency(entry);
  at(entry).used = ++header_->clock;
  enter_recency(entry);
}

CellIndex DictMemory::make(std::string_view key, std::string_view value, std::uint64_t expires_ns,
                           std::uint32_t hash) {
  const CellIndex entry = take_cell();
  CellIndex last = entry;
  for (std::uint32_t n = cells_of(key.size() + value.size()); n > 1 && last != 0; --n) {
    const CellIndex further = take_cell();
    if (further == 0) return 0;
    cells_[further].first = entry;
    cells_[last].next = further;
    last = further;
  }
  if (entry == 0) return 0;
  cells_[last].next = 0;
  DictCell& cell = cells_[entry];
  cell.first = entry;
  cell.expires_ns = expires_ns;
  cell.hash = hash;
  cell.key_bytes = static_cast<std::uint32_t>(key.size());
  cell.value_bytes = static_cast<std::uint32_t>(value.size());
  Cursor cursor(*this, entry);
  cursor.write(key);
  cursor.write(value);
  return entry;
}

void DictMemory::publish(CellIndex entry) {
  DictCell& cell = at(entry);
  cell.used = ++header_->clock;
  store_in_order(cell.sequence, cell.used);
}

void DictMemory::withdraw(CellIndex entry) {
  store_in_order(at(entry).sequence, 0);
}

void DictMemory::enlist(CellIndex entry) {
  enter_index(entry);
  enter_recency(entry);
  enter_heap(entry);
  ++header_->entry_count;
}

void DictMemory::delist(CellIndex entry) {
  leave_index(entry);
  leave_recency(entry);
  leave_heap(entry);
  --header_->entry_count;
  free_cells_of(entry);
}

void DictMemory::clear() {
  if (header_->newest != 0 && at(header_->newest).used > header_->clock) {
    damaged_ = true;
    return;
  }
  store_in_order(header_->cleared, header_->clock);
  header_->newest = header_->oldest = 0;
  header_->entry_count = header_->heap_size = 0;
  header_->free_first = header_->free_count = 0;
  std::fill(buckets_.begin(), buckets_.end(), 0);
  // Last: until here a rebuild looks at all cells that may have been in use.
  std::atomic_signal_fence(std::memory_order_seq_cst);
  header_->fresh = 1;
}

// -- cells

CellIndex DictMemory::take_cell() {
  CellIndex index = header_->free_first;
  if (index != 0) {
    const DictCell& cell = at(index);
    if (cell.first != 0 || cell.sequence.load(std::memory_order_relaxed) != 0) damaged_ = true;
    if (damaged_) return 0;
    header_->free_first = cell.next;
    --header_->free_count;
    return index;
  }
  index = header_->fresh;
  if (index == 0 || index >= cell_count_) {
    damaged_ = true;
    return 0;
  }
  // The cell may hold an entry from before a clear(). That entry no longer exists, and must not come back
  // to life in a further cell.
  header_->fresh = index + 1;
  cells_[index].sequence.store(0, std::memory_order_relaxed);
  return index;
}

void DictMemory::free_cells_of(CellIndex entry) {
  const DictCell& cell = at(entry);
  const std::uint32_t count = cells_of(std::size_t{cell.key_bytes} + cell.value_bytes);
  CellIndex last = entry;
  for (std::uint32_t n = 1; n < count && !damaged_; ++n) {
    const CellIndex next = cells_[last].next;
    if (!is_further(next, entry)) {
      damaged_ = true;
      return;
    }
    cells_[next].first = 0;
    last = next;
  }
  if (damaged_) return;
  cells_[entry].first = 0;
  cells_[last].next = header_->free_first;
  header_->free_first = entry;
  header_->free_count += count;
}

// -- index

void DictMemory::enter_index(CellIndex entry) {
  DictCell& cell = at(entry);
  CellIndex& bucket = buckets_[bucket_of(cell.hash)];
  cell.chain = bucket;
  bucket = entry;
}

void DictMemory::leave_index(CellIndex entry) {
  CellIndex* link = &buckets_[bucket_of(at(entry).hash)];
  for (std::uint32_t most = cell_count_; *link != entry; --most) {
    if (*link == 0 || *link >= cell_count_ || most == 0) {
      damaged_ = true;
      return;
    }
    link = &cells_[*link].chain;
  }
  *link = at(entry).chain;
}

// -- order of use

void DictMemory::enter_recency(CellIndex entry) {
  DictCell& cell = at(entry);
  const CellIndex before = header_->newest;
  cell.newer = 0;
  cell.older = before;
  (before != 0 ? at(before).newer : header_->oldest) = entry;
  header_->newest = entry;
}

void DictMemory::leave_recency(CellIndex entry) {
  const DictCell& cell = at(entry);
  CellIndex& from_newer = cell.newer != 0 ? at(cell.newer).older : header_->newest;
  CellIndex& from_older = cell.older != 0 ? at(cell.older).newer : header_->oldest;
  if (from_newer != entry || from_older != entry) {
    damaged_ = true;
    return;
  }
  from_newer = cell.older;
  from_older = cell.newer;
}

// -- order of expiry

void DictMemory::enter_heap(CellIndex entry) {
  DictCell& cell = at(entry);
  cell.heap_at = 0;
  if (cell.expires_ns == 0) return;
  if (header_->heap_size >= cell_count_) {
    damaged_ = true;
    return;
  }
  rise_in_heap(header_->heap_size++, entry);
}

void DictMemory::leave_heap(CellIndex entry) {
  const std::uint32_t place = at(entry).heap_at;
  if (place == 0) return;
  if (header_->heap_size > cell_count_ || place > header_->heap_size || heap_[place - 1] != entry) {
    damaged_ = true;
    return;
  }
  const CellIndex last = heap_[--header_->heap_size];
  if (last != entry && !rise_in_heap(place - 1, last)) sink_in_heap(place - 1, last);
}

void DictMemory::place_in_heap(std::uint32_t position, CellIndex entry) {
  heap_[position] = entry;
  at(entry).heap_at = position + 1;
}

// Returns whether it has risen above `position`.
bool DictMemory::rise_in_heap(std::uint32_t position, CellIndex entry) {
  const std::uint32_t from = position;
  while (position > 0 && sooner(entry, heap_[(position - 1) / 2])) {
    place_in_heap(position, heap_[(position - 1) / 2]);
    position = (position - 1) / 2;
  }
  place_in_heap(position, entry);
  return position != from;
}

void DictMemory::sink_in_heap(std::uint32_t position, CellIndex entry) {
  const std::uint32_t size = header_->heap_size;
  while (true) {
    std::uint32_t child = 2 * position + 1;
    if (child >= size) break;
    if (child + 1 < size && sooner(heap_[child + 1], heap_[child])) ++child;
    if (!sooner(heap_[child], entry)) break;
    place_in_heap(position, heap_[child]);
    position = child;
  }
  place_in_heap(position, entry);
}

}  // namespace baton
