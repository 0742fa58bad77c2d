#include "worker/request_limit.h"

#include <gtest/gtest.h>

#include <set>

namespace baton {
namespace {

TEST(OwnRequestLimit, IsWithinTheLastTenthAndNeverAbove) {
  for (const std::uint64_t most : {10ULL, 100ULL, 12'345ULL, 1'000'000'000'000ULL}) {
    for (std::int32_t seed = 1; seed < 2000; ++seed) {
      const std::uint64_t limit = own_request_limit(most, seed);
      EXPECT_LE(limit, most);
      EXPECT_GE(limit, most - most / 10);
      EXPECT_EQ(limit, own_request_limit(most, seed)) << "the same for the same worker";
    }
  }
}

TEST(OwnRequestLimit, SmallOnesStayAsTheyAre) {
  for (std::int32_t seed = 1; seed < 100; ++seed) {
    EXPECT_EQ(own_request_limit(0, seed), 0U);
    EXPECT_EQ(own_request_limit(1, seed), 1U);
    EXPECT_EQ(own_request_limit(9, seed), 9U);
  }
}

TEST(OwnRequestLimit, WorkersStartedTogetherHaveDifferentOnes) {
  std::set<std::uint64_t> limits;
  for (std::int32_t pid = 5000; pid < 5016; ++pid) limits.insert(own_request_limit(10'000, pid));
  EXPECT_GE(limits.size(), 15U);
  EXPECT_GT(*limits.rbegin() - *limits.begin(), 500U) << "and far apart";
}

}  // namespace
}  // namespace baton
