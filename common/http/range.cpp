#include "common/http/range.h"

#include <algorithm>
#include <limits>
#include <optional>

#include "common/http/chars.h"
#include "common/http/field_list.h"

namespace baton::http {

namespace {

constexpr std::uint64_t kLargest = std::numeric_limits<std::uint64_t>::max();

// Reads a number too large for 64 bits as the largest: it lies past the end of any representation, and
// nothing depends on more. Nothing if `digits` is empty or holds anything except digits.
std::optional<std::uint64_t> parse_position(std::string_view digits) {
  if (digits.empty()) return std::nullopt;
  std::uint64_t value = 0;
  for (const char byte : digits) {
    if (!is_digit(byte)) return std::nullopt;
    const auto digit = static_cast<std::uint64_t>(byte - '0');
    value = value > (kLargest - digit) / 10 ? kLargest : value * 10 + digit;
  }
  return value;
}

// Reads one range-spec: "first-last", "first-" or "-suffix". Nothing if it is malformed; a length of 0 if
// it cannot be satisfied.
std::optional<ByteRange> parse_spec(std::string_view spec, std::uint64_t size) {
  const std::size_t dash = spec.find('-');
  if (dash == std::string_view::npos) return std::nullopt;
  const std::string_view last_text = spec.substr(dash + 1);
  if (dash == 0) {
    const std::optional<std::uint64_t> suffix = parse_position(last_text);
    if (!suffix) return std::nullopt;
    const std::uint64_t length = std::min(*suffix, size);
    return ByteRange{size - length, length};
  }
  const std::optional<std::uint64_t> first = parse_position(spec.substr(0, dash));
  const std::optional<std::uint64_t> last = last_text.empty() ? kLargest : parse_position(last_text);
  if (!first || !last || *last < *first) return std::nullopt;
  if (*first >= size) return ByteRange{};
  return ByteRange{*first, std::min(*last, size - 1) - *first + 1};
}

bool touch(const ByteRange& a, const ByteRange& b) {
  return a.first <= b.first + b.length && b.first <= a.first + a.length;
}

// Keeps the invariant that no two ranges of the set overlap or touch. A range that touches the union has
// therefore touched one of its parts, and one pass over the set is enough.
void add_coalesced(RangeSet& set, ByteRange range) {
  std::size_t place = set.count;
  std::size_t kept = 0;
  for (std::size_t i = 0; i < set.count; ++i) {
    const ByteRange other = set.ranges[i];
    if (!touch(range, other)) {
      set.ranges[kept++] = other;
      continue;
    }
    const std::uint64_t end = std::max(range.first + range.length, other.first + other.length);
    range.first = std::min(range.first, other.first);
    range.length = end - range.first;
    // The first part leaves its place open for the union, and the places of later parts close up.
    if (place == set.count) place = kept++;
  }
  if (place == set.count) place = kept++;
  set.ranges[place] = range;
  set.count = kept;
}

}  // namespace

RangeSet parse_range(std::string_view value, std::uint64_t size) {
  const std::size_t equals = value.find('=');
  if (equals == std::string_view::npos || !iequals(value.substr(0, equals), "bytes")) return {};

  RangeSet set;
  std::size_t asked = 0;
  bool usable = true;
  for_each_piece(value.substr(equals + 1), ',', Quoting::kQuotedString, [&](std::string_view spec) {
    if (!usable) return;
    const std::optional<ByteRange> range = parse_spec(spec, size);
    usable = range && ++asked <= kMaxRanges;
    if (usable && range->length > 0) add_coalesced(set, *range);
  });
  if (!usable || asked == 0) return {};
  set.kind = set.count > 0 ? RangeSet::Kind::kRanges : RangeSet::Kind::kUnsatisfiable;
  return set;
}

}  // namespace baton::http
