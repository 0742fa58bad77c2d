#include "master/restart_policy.h"

#include <gtest/gtest.h>

namespace baton {
namespace {

constexpr std::uint64_t kNow = 5'000'000'000;

TEST(RestartPolicy, AWorkerThatWasReadyIsStartedAgainAtOnce) {
  RestartPolicy policy;
  for (int i = 0; i < 100; ++i) EXPECT_EQ(policy.on_death(true, kNow), kNow);
}

TEST(RestartPolicy, OneThatDiesBeforeItIsReadyWaitsTwiceAsLongEachTime) {
  RestartPolicy policy;
  for (std::uint64_t delay = 100'000'000; delay < 10'000'000'000; delay *= 2) {
    EXPECT_EQ(policy.on_death(false, kNow), kNow + delay);
  }
}

TEST(RestartPolicy, ButNeverLongerThanTenSeconds) {
  RestartPolicy policy;
  for (int i = 0; i < 100; ++i) policy.on_death(false, kNow);
  EXPECT_EQ(policy.on_death(false, kNow), kNow + 10'000'000'000);
}

TEST(RestartPolicy, CountsTheFailuresInARow) {
  RestartPolicy policy;
  EXPECT_EQ(policy.failures(), 0U);
  for (std::uint32_t i = 1; i <= 3; ++i) {
    policy.on_death(false, kNow);
    EXPECT_EQ(policy.failures(), i);
  }
  policy.on_ready();
  EXPECT_EQ(policy.failures(), 0U);
  EXPECT_EQ(policy.on_death(false, kNow), kNow + RestartPolicy::kFirstDelayNs);
}

TEST(RestartPolicy, HavingBeenReadyOnceIsForgivenAll) {
  RestartPolicy policy;
  for (int i = 0; i < 10; ++i) policy.on_death(false, kNow);
  EXPECT_EQ(policy.on_death(true, kNow), kNow);
  EXPECT_EQ(policy.on_death(false, kNow), kNow + RestartPolicy::kFirstDelayNs);
}

}  // namespace
}  // namespace baton
