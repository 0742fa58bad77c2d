// "Did you mean ...?": the known name that a misspelt one most likely stands for.
#pragma once

#include <cstddef>
#include <optional>
#include <span>
#include <string_view>

namespace baton {

// How many insertions, deletions, substitutions and swaps of neighbours turn `a` into `b` (optimal string
// alignment: no part is edited twice). Counts bytes; O(|a| * |b|) time.
std::size_t edit_distance(std::string_view a, std::string_view b);

// The name in `known` with the smallest distance from `name`; the first of several. Nothing when even this
// name is too far away to be a slip of the hand: more than a third of the longer name's letters. One slip
// is always allowed.
std::optional<std::string_view> nearest_name(std::string_view name, std::span<const std::string_view> known);

}  // namespace baton
