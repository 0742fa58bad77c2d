#include "common/shared/histogram.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <memory>

namespace baton {
namespace {

Histogram::Counts counts_of(const Histogram& histogram) {
  Histogram::Counts counts{};
  histogram.add_to(counts);
  return counts;
}

TEST(Histogram, BucketsAreContiguousAndHoldTheirBounds) {
  for (std::size_t bucket = 0; bucket + 1 < Histogram::kBuckets; ++bucket) {
    const std::uint64_t end = Histogram::upper_bound(bucket);
    EXPECT_EQ(Histogram::bucket_of(end - 1), bucket);
    EXPECT_EQ(Histogram::bucket_of(end), bucket + 1);
  }
}

TEST(Histogram, ExtremesFallInTheFirstAndLastBucket) {
  EXPECT_EQ(Histogram::bucket_of(0), 0U);
  EXPECT_EQ(Histogram::bucket_of(1023), 0U);
  EXPECT_EQ(Histogram::bucket_of(1024), 1U);
  EXPECT_EQ(Histogram::bucket_of(std::uint64_t{1} << 37), Histogram::kBuckets - 1);
  EXPECT_EQ(Histogram::bucket_of(UINT64_MAX), Histogram::kBuckets - 1);
}

TEST(Histogram, AValueIsKnownToWithinAnEighth) {
  for (std::uint64_t ns = 1024; ns < (std::uint64_t{1} << 37); ns = ns * 9 / 8 + 7) {
    const std::uint64_t shown = Histogram::upper_bound(Histogram::bucket_of(ns));
    EXPECT_GT(shown, ns);
    EXPECT_LE(static_cast<double>(shown), static_cast<double>(ns) * 1.125 + 1) << ns;
  }
}

TEST(Histogram, QuantilesOfNothingAreZero) {
  EXPECT_EQ(Histogram::quantile({}, 0.5), 0U);
}

TEST(Histogram, QuantilesFollowTheRank) {
  const auto histogram = std::make_unique<Histogram>();
  for (int i = 0; i < 90; ++i) histogram->record(2'000);
  for (int i = 0; i < 9; ++i) histogram->record(1'000'000);
  histogram->record(500'000'000);
  const auto counts = counts_of(*histogram);
  const auto bound = [](std::uint64_t ns) { return Histogram::upper_bound(Histogram::bucket_of(ns)); };
  EXPECT_EQ(Histogram::quantile(counts, 0), bound(2'000));
  EXPECT_EQ(Histogram::quantile(counts, 0.5), bound(2'000));
  EXPECT_EQ(Histogram::quantile(counts, 0.90), bound(2'000));
  EXPECT_EQ(Histogram::quantile(counts, 0.91), bound(1'000'000));
  EXPECT_EQ(Histogram::quantile(counts, 0.99), bound(1'000'000));
  EXPECT_EQ(Histogram::quantile(counts, 0.999), bound(500'000'000));
  EXPECT_EQ(Histogram::quantile(counts, 1), bound(500'000'000));
}

TEST(Histogram, AddSumsAndClearEmpties) {
  const auto a = std::make_unique<Histogram>();
  const auto b = std::make_unique<Histogram>();
  a->record(5'000);
  b->record(5'000);
  b->record(70'000);
  a->add(*b);
  auto counts = counts_of(*a);
  EXPECT_EQ(counts[Histogram::bucket_of(5'000)], 2U);
  EXPECT_EQ(counts[Histogram::bucket_of(70'000)], 1U);
  a->clear();
  EXPECT_EQ(counts_of(*a), Histogram::Counts{});
}

}  // namespace
}  // namespace baton
