#include "common/config/nearest_name.h"

#include <gtest/gtest.h>

#include <array>
#include <string>

namespace baton {
namespace {

TEST(EditDistance, CountsInsertionsDeletionsSubstitutionsAndSwaps) {
  EXPECT_EQ(edit_distance("", ""), 0U);
  EXPECT_EQ(edit_distance("workers", "workers"), 0U);
  EXPECT_EQ(edit_distance("", "abc"), 3U);
  EXPECT_EQ(edit_distance("abc", ""), 3U);
  EXPECT_EQ(edit_distance("wokers", "workers"), 1U);
  EXPECT_EQ(edit_distance("workerss", "workers"), 1U);
  EXPECT_EQ(edit_distance("warkers", "workers"), 1U);
  EXPECT_EQ(edit_distance("wrokers", "workers"), 1U);
  EXPECT_EQ(edit_distance("kitten", "sitting"), 3U);
  EXPECT_EQ(edit_distance("ca", "abc"), 3U);  // a swapped pair is not edited again
}

TEST(EditDistance, IsSymmetric) {
  const std::array<std::string_view, 5> words{"", "a", "header", "headers", "reader"};
  for (const auto a : words) {
    for (const auto b : words) EXPECT_EQ(edit_distance(a, b), edit_distance(b, a)) << a << " / " << b;
  }
}

constexpr std::array<std::string_view, 5> kKnown{"name", "workers", "max_connections", "user", "group"};

TEST(NearestName, FindsTheSlip) {
  EXPECT_EQ(nearest_name("wokers", kKnown), "workers");
  EXPECT_EQ(nearest_name("max_conections", kKnown), "max_connections");
  EXPECT_EQ(nearest_name("max-connections", kKnown), "max_connections");
  EXPECT_EQ(nearest_name("usr", kKnown), "user");
  EXPECT_EQ(nearest_name("nmae", kKnown), "name");
}

TEST(NearestName, IsSilentWhenNothingIsNear) {
  EXPECT_EQ(nearest_name("timeout", kKnown), std::nullopt);
  EXPECT_EQ(nearest_name("x", kKnown), std::nullopt);
  EXPECT_EQ(nearest_name("", kKnown), std::nullopt);
  EXPECT_EQ(nearest_name("workers", {}), std::nullopt);
  EXPECT_EQ(nearest_name(std::string(1'000'000, 'w'), kKnown), std::nullopt);
}

TEST(NearestName, PrefersTheSmallestDistanceAndThenTheFirst) {
  const std::array<std::string_view, 3> known{"deny_all", "denx", "deny"};
  EXPECT_EQ(nearest_name("deny", known), "deny");
  const std::array<std::string_view, 2> equals{"bat", "cat"};
  EXPECT_EQ(nearest_name("rat", equals), "bat");
}

}  // namespace
}  // namespace baton
