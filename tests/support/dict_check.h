// Reads a dictionary's memory from outside, by its drawing in common/dict/layout.h alone.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "common/dict/layout.h"

namespace baton::test {

// Returns the first inconsistency in the memory; "" if there is none. Checked are: every cell belongs to one
// entry or is free; index, orders and counts agree with the entries; no key is there twice. No process may be
// at work on the memory.
std::string problem_of(const void* memory);

// The content by the cells alone, without the index.
struct DictContent {
  std::string value;
  std::uint64_t expires_ns = 0;

  bool operator==(const DictContent&) const = default;
};
std::map<std::string, DictContent> contents_of(const void* memory);

// The keys in the order of the list: most recently used first.
std::vector<std::string> keys_by_use(const void* memory);

}  // namespace baton::test
