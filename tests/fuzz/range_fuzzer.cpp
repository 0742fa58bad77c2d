// The Range field against any size: ranges lie inside the representation, apart from each other.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <string_view>

#include "common/http/range.h"

namespace {

using baton::http::ByteRange;
using baton::http::kMaxRanges;
using baton::http::RangeSet;

void require(bool condition) {
  if (!condition) std::abort();
}

void check(const RangeSet& set, std::uint64_t size) {
  require(set.count <= kMaxRanges);
  require((set.kind == RangeSet::Kind::kRanges) == (set.count > 0));
  for (std::size_t i = 0; i < set.count; ++i) {
    const ByteRange& range = set.ranges[i];
    require(range.length > 0 && range.first < size && range.length <= size - range.first);
    for (std::size_t j = 0; j < i; ++j) {
      const ByteRange& other = set.ranges[j];
      const bool before = other.first + other.length < range.first;
      const bool after = range.first + range.length < other.first;
      require(before || after);
    }
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t length) {
  std::uint64_t size = 0;
  const std::size_t prefix = std::min(length, sizeof(size));
  std::memcpy(&size, data, prefix);
  const std::string_view value(reinterpret_cast<const char*>(data) + prefix, length - prefix);
  for (const std::uint64_t of : {size, size % 100, std::uint64_t{0}}) {
    check(baton::http::parse_range(value, of), of);
  }
  return 0;
}
