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

// Reads `value`, a whole field value, against a representation of `size` bytes. Drops ranges that begin
// past the end, clamps ends past it, and understands numbers of any length. A merged range stands where the
// first of its parts stood. The limit holds for the field as sent, before coalescing: more than kMaxRanges
// ranges is kNone. An empty representation can satisfy no range. The caller must call it for GET only
// (14.2).
RangeSet parse_range(std::string_view value, std::uint64_t size);

}  // namespace baton::http
