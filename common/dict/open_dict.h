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
  // `memory` as create_dict() and open_dict() map it. `entry` shows its figures and must outlive this
  // object.
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
  std::string name_;  // a copy, because other processes may write the entry
  SharedDict dict_;
};

// The dictionaries of one configuration. A dictionary that the next configuration leaves out lives for as
// long as workers of an earlier one use it.
using DictSet = std::vector<std::shared_ptr<OpenDict>>;

}  // namespace baton
