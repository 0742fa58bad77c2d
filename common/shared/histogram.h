// A latency histogram with one writer and any number of readers, in shared memory.
#pragma once

#include <array>
#include <atomic>
#include <bit>
#include <cstdint>
#include <span>

namespace baton {

// Log-linear buckets of nanoseconds: one bucket below 1,024 ns, then 8 per doubling up to 2^37 ns (137 s).
// A value is known to within 12.5 %.
class Histogram {
 public:
  static constexpr int kFirstBit = 10;
  static constexpr int kLastBit = 37;
  static constexpr int kSubBits = 3;
  static constexpr std::size_t kBuckets = ((kLastBit - kFirstBit) << kSubBits) + 2;
  using Counts = std::array<std::uint64_t, kBuckets>;

  // Only the writer may call it: it is a plain load and store, because no other process adds.
  void record(std::uint64_t ns) {
    auto& bucket = buckets_[bucket_of(ns)];
    bucket.store(bucket.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);
  }

  void add_to(Counts& counts) const {
    for (std::size_t i = 0; i < kBuckets; ++i) counts[i] += buckets_[i].load(std::memory_order_relaxed);
  }
  void clear() {
    for (auto& bucket : buckets_) bucket.store(0, std::memory_order_relaxed);
  }
  void add(const Histogram& other) {
    for (std::size_t i = 0; i < kBuckets; ++i) {
      buckets_[i].store(
          buckets_[i].load(std::memory_order_relaxed) + other.buckets_[i].load(std::memory_order_relaxed),
          std::memory_order_relaxed);
    }
  }

  static constexpr std::size_t bucket_of(std::uint64_t ns) {
    if (ns < (1U << kFirstBit)) return 0;
    const int bit = std::bit_width(ns) - 1;
    if (bit >= kLastBit) return kBuckets - 1;
    const std::uint64_t sub = (ns >> (bit - kSubBits)) & ((1U << kSubBits) - 1);
    return (static_cast<std::size_t>(bit - kFirstBit) << kSubBits) + sub + 1;
  }
  // The first value above `bucket`.
  static constexpr std::uint64_t upper_bound(std::size_t bucket) {
    if (bucket == 0) return 1U << kFirstBit;
    const std::size_t bit = kFirstBit + ((bucket - 1) >> kSubBits);
    const std::uint64_t sub = (bucket - 1) & ((1U << kSubBits) - 1);
    return (std::uint64_t{1} << bit) + ((sub + 1) << (bit - kSubBits));
  }

  // The upper bound, in ns, of the bucket that holds the `q` quantile (0..1). 0: there are no samples.
  static std::uint64_t quantile(const Counts& counts, double q);

 private:
  std::array<std::atomic<std::uint64_t>, kBuckets> buckets_{};
};

}  // namespace baton
