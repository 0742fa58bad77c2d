#include "master/watchdog.h"

#include <gtest/gtest.h>

namespace baton {
namespace {

using Action = Watchdog::Action;

// How many ticks until it says something else than kNone; 0 when it has not after `most`.
int ticks_until_action(Watchdog& watchdog, std::uint64_t since, std::uint32_t limit_ms, int most = 1000) {
  for (int tick = 1; tick <= most; ++tick) {
    if (watchdog.tick(since, true, limit_ms) != Action::kNone) return tick;
  }
  return 0;
}

TEST(Watchdog, FiresWhenTheLimitHasPassedAndNotBefore) {
  Watchdog watchdog;
  // Seen first at the first tick, by the twelfth it has been there for at least 1 s, and at most 1.2 s.
  EXPECT_EQ(ticks_until_action(watchdog, 5, 1000), 12);
  EXPECT_TRUE(watchdog.fired());
}

TEST(Watchdog, RoundsAShortLimitUp) {
  Watchdog watchdog;
  EXPECT_EQ(ticks_until_action(watchdog, 5, 1), 3);
}

TEST(Watchdog, AbortsOnceAndKillsASecondLater) {
  Watchdog watchdog;
  ticks_until_action(watchdog, 5, 100);
  for (int second = 0; second < 3; ++second) {
    for (std::uint32_t i = 1; i < Watchdog::kTicksToKill; ++i) {
      EXPECT_EQ(watchdog.tick(5, true, 100), Action::kNone);
    }
    EXPECT_EQ(watchdog.tick(5, true, 100), Action::kKill);
  }
}

TEST(Watchdog, EachRequestHasTheWholeLimit) {
  Watchdog watchdog;
  for (std::uint64_t request = 1; request < 100; ++request) {
    for (int i = 0; i < 10; ++i) ASSERT_EQ(watchdog.tick(request, true, 1000), Action::kNone);
  }
  EXPECT_FALSE(watchdog.fired());
}

TEST(Watchdog, AWorkerThatWaitsTakesAsLongAsItLikes) {
  Watchdog watchdog;
  for (int i = 0; i < 100; ++i) EXPECT_EQ(watchdog.tick(5, false, 100), Action::kNone);
  EXPECT_EQ(watchdog.tick(5, true, 100), Action::kNone) << "the time it waited does not count";
}

TEST(Watchdog, WithoutALimitItNeverFires) {
  Watchdog watchdog;
  EXPECT_EQ(ticks_until_action(watchdog, 5, 0, 100'000), 0);
}

TEST(Watchdog, CountsItsOwnLooksOnly) {
  Watchdog watchdog;
  // A request that began a day ago by the clock, seen for the first time.
  EXPECT_EQ(watchdog.tick(monotonic_ns() - 86'400'000'000'000, true, 1000), Action::kNone);
}

}  // namespace
}  // namespace baton
