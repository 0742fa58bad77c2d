// A cursor over the text of an entry: its key and then its value, piece by piece as it lies in the cells.
#pragma once

#include <algorithm>
#include <cstring>

#include "common/dict/memory.h"

namespace baton {

class DictMemory::Cursor {
 public:
  Cursor(DictMemory& memory, CellIndex entry)
      : memory_(memory), entry_(entry), at_(entry), piece_(memory.at(entry).text, DictCell::kFirstBytes) {}

  // Each call goes on where the last one ended. Each stops where the chain is broken, and notes that the
  // memory is damaged.
  void write(std::string_view text) {
    for_each_piece(text.size(), [&text](std::span<char> piece) {
      std::memcpy(piece.data(), text.data(), piece.size());
      text.remove_prefix(piece.size());
      return true;
    });
  }
  void read(std::span<char> text) {
    for_each_piece(text.size(), [&text](std::span<char> piece) {
      std::memcpy(text.data(), piece.data(), piece.size());
      text = text.subspan(piece.size());
      return true;
    });
  }
  void skip(std::size_t bytes) {
    for_each_piece(bytes, [](std::span<char>) { return true; });
  }
  [[nodiscard]] bool is(std::string_view text) {
    return for_each_piece(text.size(), [&text](std::span<char> piece) {
      const bool same = std::memcmp(piece.data(), text.data(), piece.size()) == 0;
      text.remove_prefix(piece.size());
      return same;
    });
  }

 private:
  // Calls `use` for each piece of the next `bytes`. Returns whether all calls returned true.
  template <typename Use>
  bool for_each_piece(std::size_t bytes, Use use) {
    while (bytes > 0) {
      if (piece_.empty() && !advance()) return false;
      const std::span<char> part = piece_.first(std::min(bytes, piece_.size()));
      piece_ = piece_.subspan(part.size());
      bytes -= part.size();
      if (!use(part)) return false;
    }
    return true;
  }

  bool advance() {
    const CellIndex next = memory_.cells_[at_].next;
    if (!memory_.is_further(next, entry_)) {
      memory_.damaged_ = true;
      return false;
    }
    at_ = next;
    piece_ = {reinterpret_cast<char*>(&memory_.cells_[at_]) + DictCell::kFurtherOffset,
              DictCell::kFurtherBytes};
    return true;
  }

  DictMemory& memory_;
  CellIndex entry_;
  CellIndex at_;
  std::span<char> piece_;
};

}  // namespace baton
