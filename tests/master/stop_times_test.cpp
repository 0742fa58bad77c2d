#include "master/stop_times.h"

#include <gtest/gtest.h>

namespace baton {
namespace {

constexpr std::uint64_t kSecond = 1'000'000'000;
constexpr std::uint64_t kNow = 5 * kSecond;

// Each step may come a tick late.
TEST(StopTimes, AGracefulStopHasEndedByTheTimeItWasGiven) {
  for (const std::uint64_t timeout : {kSecond, 10 * kSecond, 3600 * kSecond}) {
    const StopTimes times = StopTimes::graceful(kNow, timeout);
    EXPECT_GE(times.kill_ns, times.retire_ns + kTickNs) << "who can end in a tick may";
    EXPECT_LE(times.kill_ns + kTickNs, kNow + timeout);
    EXPECT_GE(times.retire_ns + kSecond / 5, kNow + timeout) << "what is in hand has nearly all of it";
  }
}

TEST(StopTimes, WhatModulesDoAtTheEndHasASecondAtLeast) {
  EXPECT_EQ(StopTimes::graceful(kNow, 0).end_ns, kNow + kSecond);
  const StopTimes times = StopTimes::graceful(kNow, 10 * kSecond);
  EXPECT_GE(times.end_ns, times.retire_ns + kSecond);
  EXPECT_EQ(times.drained(kNow + kSecond).end_ns, times.end_ns) << "all that is left of the time";
  EXPECT_EQ(times.drained(kNow + kSecond).kill_ns, times.end_ns);
  EXPECT_EQ(StopTimes::graceful(kNow, 10 * kSecond).drained(kNow + 10 * kSecond).end_ns, kNow + 11 * kSecond);
}

TEST(StopTimes, AtOnceIsASecond) {
  const StopTimes times = StopTimes::at_once(kNow);
  EXPECT_EQ(times.retire_ns, kNow);
  EXPECT_EQ(times.kill_ns, kNow + kSecond);
  EXPECT_EQ(times.end_ns, kNow + kSecond);
}

}  // namespace
}  // namespace baton
