// The Range field (RFC 9110 14).
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace baton::http {

struct ByteRange {
  std::uint64_t first = 0;
  std::uint64_t length = 0;  // never 0
};

constexpr std::size_t kMaxRanges = 16;

struct RangeSet {
  enum class Kind : std::uint8_t {
    kNone,           // no usable field (absent, malformed, unknown unit, too many ranges): answer 200
    kUnsatisfiable,  // 416
    kRanges,         // 206
  };
  Kind kind = Kind::kNone;
  std::array<ByteRange, kMaxRanges> ranges;  // in the order asked, overlapping and touching ones coalesced
  std::size_t count = 0;
};

// Reads `value` against a representation of `size` bytes.
RangeSet parse_range(std::string_view value, std::uint64_t size);

}  // namespace baton::http
