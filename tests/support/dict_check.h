// A dictionary's memory seen from outside, by its drawing in common/dict/layout.h alone.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "common/dict/layout.h"

namespace baton::test {

// The first thing about the memory that does not fit together; "" when all does: every cell is exactly one
// entry's or free, index, orders and counts agree with the entries, no key is there twice. Nobody may be
// at work on it.
std::string problem_of(const void* memory);

// What the cells say is in it, whatever the index says.
struct DictContent {
  std::string value;
  std::uint64_t expires_ns = 0;

  bool operator==(const DictContent&) const = default;
};
std::map<std::string, DictContent> contents_of(const void* memory);

// The keys, most recently used first, as the list has them.
std::vector<std::string> keys_by_use(const void* memory);

}  // namespace baton::test
