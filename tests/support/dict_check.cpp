#include "tests/support/dict_check.h"

#include <fmt/format.h>

#include <set>
#include <span>
#include <stdexcept>

#include "common/base/siphash.h"

namespace baton::test {

namespace {

class View {
 public:
  explicit View(const void* memory) : header_(*static_cast<const DictHeader*>(memory)) {
    const DictLayout at = DictLayout::of(header_.total_bytes);
    const char* const base = static_cast<const char*>(memory);
    buckets_ = {reinterpret_cast<const CellIndex*>(base + at.buckets), at.cell_count};
    heap_ = {reinterpret_cast<const CellIndex*>(base + at.heap), at.cell_count};
    cells_ = {reinterpret_cast<const DictCell*>(base + at.cells), at.cell_count};
  }

  void check() {
    find_entries();
    check_index();
    check_recency();
    check_heap();
    check_free();
  }

  std::map<std::string, DictContent> contents() {
    find_entries();
    std::map<std::string, DictContent> all;
    for (const CellIndex entry : entries_) {
      const std::string text = text_of(entry);
      const DictCell& cell = cells_[entry];
      const bool added = all.emplace(text.substr(0, cell.key_bytes),
                                     DictContent{text.substr(cell.key_bytes), cell.expires_ns})
                             .second;
      require(added, "key of entry {} is there twice", entry);
    }
    return all;
  }

  std::vector<std::string> keys_by_use() const {
    std::vector<std::string> keys;
    for (CellIndex entry = header_.newest; entry != 0; entry = cells_[entry].older)
      keys.push_back(text_of(entry).substr(0, cells_[entry].key_bytes));
    return keys;
  }

 private:
  template <typename... Values>
  static void require(bool good, std::string_view what, Values... values) {
    if (!good) throw std::runtime_error(fmt::vformat(what, fmt::make_format_args(values...)));
  }

  [[nodiscard]] bool is_entry(CellIndex index) const {
    return cells_[index].sequence.load() > header_.cleared.load();
  }

  [[nodiscard]] std::vector<CellIndex> chain_of(CellIndex entry) const {
    std::vector<CellIndex> chain;
    for (CellIndex index = entry; index != 0; index = cells_[index].next) {
      require(index < cells_.size() && chain.size() < cells_.size(), "chain of {} leads astray", entry);
      chain.push_back(index);
    }
    return chain;
  }

  [[nodiscard]] std::string text_of(CellIndex entry) const {
    std::string text;
    for (const CellIndex index : chain_of(entry)) {
      const DictCell& cell = cells_[index];
      if (index == entry) {
        text.append(cell.text, DictCell::kFirstBytes);
      } else {
        text.append(reinterpret_cast<const char*>(&cell) + DictCell::kFurtherOffset, DictCell::kFurtherBytes);
      }
    }
    const std::size_t bytes = std::size_t{cells_[entry].key_bytes} + cells_[entry].value_bytes;
    require(bytes <= text.size(), "entry {} has {} bytes in {}", entry, bytes, text.size());
    require(text.size() - bytes < DictCell::kFurtherBytes || text.size() == DictCell::kFirstBytes,
            "entry {} has more cells than it needs", entry);
    return text.substr(0, bytes);
  }

  void find_entries() {
    entries_.clear();
    taken_.clear();
    for (CellIndex index = 1; index < header_.fresh; ++index) {
      if (!is_entry(index)) continue;
      entries_.insert(index);
      for (const CellIndex cell : chain_of(index)) {
        require(taken_.insert(cell).second, "cell {} is in two entries", cell);
        require(cells_[cell].first == index, "cell {} of entry {} says {}", cell, index, cells_[cell].first);
        require((cell == index) == is_entry(cell), "cell {} of entry {} is an entry", cell, index);
      }
    }
    for (CellIndex index = header_.fresh; index < cells_.size(); ++index)
      require(!is_entry(index), "entry {} in a cell that is not in use", index);
    require(header_.entry_count == entries_.size(), "{} entries are counted, there are {}",
            header_.entry_count, entries_.size());
  }

  void check_index() const {
    std::set<CellIndex> seen;
    for (std::size_t bucket = 0; bucket < buckets_.size(); ++bucket) {
      for (CellIndex entry = buckets_[bucket]; entry != 0; entry = cells_[entry].chain) {
        require(entries_.contains(entry), "{} in bucket {} is no entry", entry, bucket);
        require(seen.insert(entry).second, "entry {} is in the index twice", entry);
        const std::string key = text_of(entry).substr(0, cells_[entry].key_bytes);
        const auto hash = static_cast<std::uint32_t>(siphash(header_.hash_key, key));
        require(cells_[entry].hash == hash, "hash of entry {} is wrong", entry);
        require((std::uint64_t{hash} * buckets_.size()) >> 32 == bucket, "entry {} is in bucket {}", entry,
                bucket);
      }
    }
    require(seen.size() == entries_.size(), "{} of {} entries are in the index", seen.size(),
            entries_.size());
  }

  void check_recency() const {
    std::size_t count = 0;
    CellIndex newer = 0;
    for (CellIndex entry = header_.newest; entry != 0; newer = entry, entry = cells_[entry].older, ++count) {
      require(entries_.contains(entry) && count < entries_.size(), "{} is in the list of uses", entry);
      require(cells_[entry].newer == newer, "list of uses is broken at {}", entry);
      require(newer == 0 || cells_[newer].used >= cells_[entry].used, "{} was used after {}", entry, newer);
      require(cells_[entry].used <= header_.clock, "{} was used in the future", entry);
    }
    require(header_.oldest == newer && count == entries_.size(), "list of uses ends after {} of {}", count,
            entries_.size());
  }

  void check_heap() const {
    std::size_t expiring = 0;
    for (const CellIndex entry : entries_) {
      const DictCell& cell = cells_[entry];
      if (cell.expires_ns == 0) {
        require(cell.heap_at == 0, "entry {} does not expire and is in the heap", entry);
        continue;
      }
      ++expiring;
      require(cell.heap_at - 1 < header_.heap_size && heap_[cell.heap_at - 1] == entry,
              "entry {} is not in the heap", entry);
      require(cell.heap_at == 1 || cells_[heap_[cell.heap_at / 2 - 1]].expires_ns <= cell.expires_ns,
              "entry {} expires before the one above it", entry);
    }
    require(expiring == header_.heap_size, "{} in the heap, {} expire", header_.heap_size, expiring);
  }

  void check_free() const {
    std::set<CellIndex> free;
    for (CellIndex index = header_.free_first; index != 0; index = cells_[index].next) {
      require(index < header_.fresh && !taken_.contains(index), "cell {} is free and in use", index);
      require(free.insert(index).second, "cell {} is free twice", index);
      require(cells_[index].first == 0 && cells_[index].sequence.load() == 0, "free cell {} says it is not",
              index);
    }
    require(free.size() == header_.free_count, "{} cells are counted as free, there are {}",
            header_.free_count, free.size());
    require(free.size() + taken_.size() + 1 == header_.fresh, "{} cells are lost",
            header_.fresh - 1 - free.size() - taken_.size());
  }

  const DictHeader& header_;
  std::span<const CellIndex> buckets_;
  std::span<const CellIndex> heap_;
  std::span<const DictCell> cells_;
  std::set<CellIndex> entries_;
  std::set<CellIndex> taken_;
};

}  // namespace

std::string problem_of(const void* memory) {
  try {
    View view(memory);
    view.check();
    static_cast<void>(view.contents());
    return "";
  } catch (const std::runtime_error& error) {
    return error.what();
  }
}

std::map<std::string, DictContent> contents_of(const void* memory) {
  return View(memory).contents();
}

std::vector<std::string> keys_by_use(const void* memory) {
  return View(memory).keys_by_use();
}

}  // namespace baton::test
