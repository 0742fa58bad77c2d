#include "master/repeated.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace baton {
namespace {

constexpr std::uint64_t kStart = 7'000'000'000;
constexpr std::uint64_t kEnd = kStart + Repeated::kMinuteNs;

// How many of so many were to be told.
int told(Repeated& repeated, const std::string& kind, int times, std::uint64_t now = kStart) {
  int told = 0;
  for (int i = 0; i < times; ++i) told += repeated.tell(kind, "what " + kind, now) ? 1 : 0;
  return told;
}

TEST(Repeated, TheFirstAreToldAndTheOthersCounted) {
  Repeated repeated;
  EXPECT_EQ(told(repeated, "a", 1'000), 10);
  EXPECT_EQ(repeated.over(kEnd - 1).size(), 0U);
  const auto counted = repeated.over(kEnd);
  ASSERT_EQ(counted.size(), 1U);
  EXPECT_EQ(counted[0].what, "what a");
  EXPECT_EQ(counted[0].times, 990U);
  EXPECT_EQ(repeated.over(kEnd).size(), 0U) << "it is said once";
}

TEST(Repeated, ThoseThatAreNotManyLeaveNothingToSay) {
  Repeated repeated;
  EXPECT_EQ(told(repeated, "a", 10), 10);
  EXPECT_EQ(repeated.over(kEnd).size(), 0U);
}

TEST(Repeated, EachKindHasItsOwn) {
  Repeated repeated;
  EXPECT_EQ(told(repeated, "a", 20), 10);
  EXPECT_EQ(told(repeated, "b", 5), 5);
  EXPECT_EQ(told(repeated, "c", 12), 10);
  EXPECT_EQ(repeated.over(kEnd).size(), 2U);
}

TEST(Repeated, TheNextMinuteBeginsWithTheNext) {
  Repeated repeated;
  EXPECT_EQ(told(repeated, "a", 20), 10);
  EXPECT_EQ(told(repeated, "b", 20, kEnd - 1), 10);
  EXPECT_EQ(repeated.over(kEnd).size(), 1U);
  EXPECT_EQ(told(repeated, "a", 20, kEnd + 5), 10);
  EXPECT_EQ(told(repeated, "b", 20, kEnd + 5), 0);
  EXPECT_EQ(repeated.over(kEnd + Repeated::kMinuteNs).size(), 1U);
  EXPECT_EQ(repeated.over(kEnd + 5 + Repeated::kMinuteNs).size(), 1U);
}

TEST(Repeated, KindsBeyondThoseThatAreToldApartAreOne) {
  Repeated repeated;
  int first = 0;
  for (std::size_t i = 0; i < Repeated::kKinds; ++i) first += told(repeated, std::to_string(i), 1);
  EXPECT_EQ(first, static_cast<int>(Repeated::kKinds));
  int others = 0;
  for (int i = 0; i < 1'000; ++i) others += told(repeated, "more " + std::to_string(i), 1);
  EXPECT_EQ(others, 10);
  EXPECT_EQ(told(repeated, "0", 20), 9) << "those that are known stay";
  std::uint64_t rest = 0;
  for (const auto& counted : repeated.over(kEnd)) {
    if (counted.what.empty()) rest = counted.times;
  }
  EXPECT_EQ(rest, 990U);
  EXPECT_EQ(told(repeated, "more 0", 1, kEnd), 1);
}

TEST(Repeated, AtTheEndAllAreTakenThatWereOnlyCounted) {
  Repeated repeated;
  EXPECT_EQ(told(repeated, "a", 11), 10);
  EXPECT_EQ(told(repeated, "b", 3), 3);
  const auto counted = repeated.all();
  ASSERT_EQ(counted.size(), 1U);
  EXPECT_EQ(counted[0].times, 1U);
  EXPECT_EQ(repeated.all().size(), 0U);
}

}  // namespace
}  // namespace baton
