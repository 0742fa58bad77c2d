// The Range field (RFC 9110 14).
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace baton::http {

// [first, first + length), wholly inside the representation.
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
  std::size_t count = 0;                     // with kRanges: 1 to kMaxRanges, otherwise 0
};

// Reads `value` (a whole field value) against a representation of `size` bytes. Ranges that begin past the
// end are dropped, ends past it are clamped, and numbers of any length are understood. A merged range stands
// where the first of its parts stood. Limits are those of the field as asked, before coalescing: more than
// kMaxRanges ranges is kNone. Of an empty representation no range can be had. The caller asks for GET only
// (14.2).
RangeSet parse_range(std::string_view value, std::uint64_t size);

}  // namespace baton::http
