// A dictionary that this process, and those cloned from it, work with.
#pragma once

#include <boost/interprocess/mapped_region.hpp>
#include <cstddef>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "common/base/printable.h"
#include "common/dict/shared_dict.h"
#include "common/shared/dict_board.h"

namespace baton {

class OpenDict {
 public:
  // `memory` as create_dict() and open_dict() map it; `entry` tells the world of it and outlives this.
  OpenDict(boost::interprocess::mapped_region memory, DictEntry& entry)
      : memory_(std::move(memory)),
        entry_(entry),
        name_(text_of(entry.name)),
        dict_(memory_.get_address(), entry.counters) {}

  [[nodiscard]] std::string_view name() const { return name_; }
  [[nodiscard]] SharedDict& dict() { return dict_; }
  [[nodiscard]] DictEntry& entry() const { return entry_; }
  [[nodiscard]] std::span<std::byte> memory() const {
    return {static_cast<std::byte*>(memory_.get_address()), memory_.get_size()};
  }

 private:
  boost::interprocess::mapped_region memory_;
  DictEntry& entry_;
  std::string name_;  // as it was: the entry may be written by others
  SharedDict dict_;
};

// Those of one configuration. What one leaves out lives as long as workers of an earlier one use it.
using DictSet = std::vector<std::shared_ptr<OpenDict>>;

}  // namespace baton
