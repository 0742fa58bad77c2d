// The data structures of a shared dictionary: entries in cells, an index, the order of use, the order of
// expiry. common/dict/layout.h draws them. Only SharedDict uses this class, and it holds the lock around
// every call, except those marked "Without the lock".
//
// Nothing that is read is trusted, because a module may have written anywhere. An index out of range, a
// chain that leads to a foreign cell, or lists that do not agree make the object `damaged`. A call then has
// no further effect that matters, and its result means nothing. The caller checks damaged() once, at the
// end of its work, and rebuilds. No walk is longer than the number of cells.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "common/dict/layout.h"

namespace baton {

class DictMemory {
 public:
  static constexpr std::size_t kMaxKeyBytes = 1024;

  // `base`: memory as open_dict() has checked it. Its frozen members are copied and never read again.
  explicit DictMemory(void* base);

  // Without the lock.
  [[nodiscard]] RobustMutex& mutex() const { return header_->mutex; }
  [[nodiscard]] std::uint32_t hash(std::string_view key) const;
  // Whether an entry of these sizes is possible. It may take at most half of the dictionary, so that a new
  // value can be written while the old one still exists.
  [[nodiscard]] bool can_hold(std::size_t key_bytes, std::size_t value_bytes) const;
  [[nodiscard]] std::uint64_t bytes_total() const;

  [[nodiscard]] static std::uint32_t cells_of(std::size_t bytes);
  [[nodiscard]] std::uint32_t free_cells() const;
  [[nodiscard]] std::uint64_t bytes_used() const;
  [[nodiscard]] std::uint32_t entries() const { return header_->entry_count; }

  // The entry with this key; 0: none.
  [[nodiscard]] CellIndex find(std::string_view key, std::uint32_t hash);
  [[nodiscard]] std::uint64_t expires_ns(CellIndex entry) { return at(entry).expires_ns; }
  [[nodiscard]] std::size_t value_bytes(CellIndex entry) { return at(entry).value_bytes; }
  void copy_value(CellIndex entry, std::string& value);
  [[nodiscard]] bool value_is(CellIndex entry, std::string_view value);
  void touch(CellIndex entry);  // notes that the entry has just been used

  // The entry unused for longest, and the next entry to expire; 0: none.
  [[nodiscard]] CellIndex oldest() const { return header_->oldest; }
  [[nodiscard]] CellIndex soonest() const { return header_->heap_size != 0 ? heap_[0] : 0; }

  // The steps of a change, in their order. make() takes cells, of which there must be enough, and fills
  // them; 0: damaged. publish() and withdraw() are the single stores that make an entry exist and cease to
  // exist. enlist() puts a published entry into the index and the orders. delist() takes a withdrawn entry
  // out of them and frees its cells.
  [[nodiscard]] CellIndex make(std::string_view key, std::string_view value, std::uint64_t expires_ns,
                               std::uint32_t hash);
  void publish(CellIndex entry);
  void withdraw(CellIndex entry);
  void enlist(CellIndex entry);
  void delist(CellIndex entry);

  // Makes all entries cease to exist with one store. Does nothing if it meets damage.
  void clear();

  // Makes everything derived anew from the cells. Frees what a dead process had begun and not published. Of
  // two entries with one key, keeps the newer. `everything`: trusts nothing in the header; for use after
  // damage. Returns how many entries were dropped because they make no sense; without damage that is 0. A
  // process may die in the middle of it, too: the next one begins it again.
  std::uint64_t rebuild(bool everything);

  [[nodiscard]] bool damaged() const { return damaged_; }
  void forget_damage() { damaged_ = false; }

 private:
  class Cursor;

  [[nodiscard]] bool is_entry(CellIndex index) const;
  [[nodiscard]] bool is_further(CellIndex index, CellIndex first) const;
  DictCell& at(CellIndex index);
  [[nodiscard]] std::uint32_t bucket_of(std::uint32_t hash) const;

  CellIndex take_cell();
  void free_cells_of(CellIndex entry);

  void enter_index(CellIndex entry);
  void leave_index(CellIndex entry);
  void enter_recency(CellIndex entry);
  void leave_recency(CellIndex entry);
  void enter_heap(CellIndex entry);
  void leave_heap(CellIndex entry);
  void place_in_heap(std::uint32_t position, CellIndex entry);
  bool rise_in_heap(std::uint32_t position, CellIndex entry);
  void sink_in_heap(std::uint32_t position, CellIndex entry);
  [[nodiscard]] bool sooner(CellIndex a, CellIndex b) { return at(a).expires_ns < at(b).expires_ns; }

  // Parts of rebuild(); in common/dict/rebuild.cpp.
  std::uint64_t rebuild_entries(CellIndex end);
  bool claim(CellIndex entry, CellIndex end);
  void drop(CellIndex entry);
  void index_newest_of_key(CellIndex entry);
  void rebuild_recency(CellIndex end);
  CellIndex sort_by_use(CellIndex list);
  CellIndex cut_run(CellIndex& list);
  CellIndex* merge(CellIndex a, CellIndex b, CellIndex* end);
  void rebuild_free(CellIndex end);

  DictHeader* header_;
  std::uint32_t cell_count_;
  SipKey hash_key_;
  std::span<CellIndex> buckets_;
  std::span<CellIndex> heap_;
  std::span<DictCell> cells_;
  bool damaged_ = false;
};

}  // namespace baton
