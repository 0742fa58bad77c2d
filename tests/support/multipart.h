// Checks multipart/byteranges bodies (RFC 9110 14.6) of pattern files.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace baton::test {

// First and last byte of each range, as in the Range field.
using ByteRanges = std::vector<std::pair<std::uint64_t, std::uint64_t>>;

// "bytes=0-9,20-29".
std::string range_field(const ByteRanges& ranges);

// Whether `body` is exactly these ranges, in order, of a pattern file (tests/support/bulk.h) of `size` bytes,
// with the boundary that `content_type` names.
bool is_multipart_of(std::string_view body, const std::string& content_type, const ByteRanges& ranges,
                     std::uint64_t size);

}  // namespace baton::test
