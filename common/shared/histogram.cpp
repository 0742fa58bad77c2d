#include "common/shared/histogram.h"

#include <cmath>
#include <numeric>

namespace baton {

std::uint64_t Histogram::quantile(const Counts& counts, double q) {
  const std::uint64_t total = std::accumulate(counts.begin(), counts.end(), std::uint64_t{0});
  if (total == 0) return 0;
  const auto rank = static_cast<std::uint64_t>(std::ceil(q * static_cast<double>(total)));
  std::uint64_t seen = 0;
  for (std::size_t i = 0; i < kBuckets; ++i) {
    seen += counts[i];
    if (seen >= rank && seen > 0) return upper_bound(i);
  }
  return upper_bound(kBuckets - 1);
}

}  // namespace baton
