#include "common/shared/module_places.h"

#include <gtest/gtest.h>

#include <memory>
#include <set>
#include <thread>
#include <vector>

namespace baton {
namespace {

constexpr std::uint64_t kMs = 1'000'000;
constexpr std::uint64_t kQuick = 20'000;  // ns

class Places : public testing::Test {
 protected:
  void run(int times, std::uint64_t ns) {
    for (int i = 0; i < times; ++i) speed_.note(ns);
  }

  std::unique_ptr<ModulePlaces> places_ = std::make_unique<ModulePlaces>();
  WaitingLine& line_ = places_->line;
  HandlerSpeed& speed_ = places_->speed(1, 0);
};

TEST_F(Places, AHandlerIsSlowUntilItHasRun) {
  EXPECT_TRUE(speed_.slow());
  run(1, kQuick);
  EXPECT_FALSE(speed_.slow());
  speed_.forget();
  EXPECT_TRUE(speed_.slow());
  run(1, 5 * kMs);
  EXPECT_TRUE(speed_.slow());
}

TEST_F(Places, OneLongRunMakesASlowHandler) {
  run(1'000, kQuick);
  run(1, 100 * kMs);
  EXPECT_TRUE(speed_.slow());
  run(50, kQuick);
  EXPECT_TRUE(speed_.slow());
  run(50, kQuick);
  EXPECT_FALSE(speed_.slow());
}

// On a machine that has others to run as well.
TEST_F(Places, ARunThatWasHeldUpNowAndThenMakesNone) {
  run(20, kQuick);
  for (int i = 0; i < 1'000; ++i) {
    run(1, 10 * kMs);
    ASSERT_FALSE(speed_.slow()) << i;
    run(10, kQuick);
    ASSERT_FALSE(speed_.slow()) << i;
  }
}

TEST_F(Places, TheMeanDecidesHoweverLongTheLongestIs) {
  run(1, 3'600'000 * kMs);
  run(250, kQuick);
  EXPECT_FALSE(speed_.slow());
  for (int i = 0; i < 100; ++i) {
    run(1, 1'000 * kMs);
    run(100, kQuick);
    ASSERT_TRUE(speed_.slow());
  }
  run(250, kQuick);
  run(100, 3 * kMs);
  EXPECT_TRUE(speed_.slow());
}

TEST_F(Places, TwoGenerationsKnowTheirHandlersApart) {
  places_->speed(2, 7).note(kQuick);
  EXPECT_TRUE(places_->speed(3, 7).slow());
  EXPECT_FALSE(places_->speed(4, 7).slow());
  places_->forget_speeds(3);
  EXPECT_FALSE(places_->speed(2, 7).slow());
  places_->forget_speeds(4);
  EXPECT_TRUE(places_->speed(4, 7).slow());
  places_->speed(1, ModulePlaces::kHandlers).note(kQuick);
  EXPECT_FALSE(places_->speed(1, 0).slow()) << "past the last they share what is known";
}

TEST_F(Places, TheLineIsLeftInTheOrderOfTheTimesThatItIsWaitedFor) {
  EXPECT_EQ(line_.take_first(), std::nullopt);
  EXPECT_TRUE(line_.put(30, 103));
  EXPECT_TRUE(line_.put(10, 101));
  EXPECT_TRUE(line_.put(0, 102));
  EXPECT_EQ(line_.count(), 3U);
  EXPECT_EQ(line_.take_first(), 10);
  EXPECT_TRUE(line_.put(11, 101)) << "as one that was called in vain";
  EXPECT_EQ(line_.take_first(), 11);
  EXPECT_EQ(line_.take_first(), 0);
  EXPECT_EQ(line_.take_first(), 30);
  EXPECT_EQ(line_.take_first(), std::nullopt);
  EXPECT_EQ(line_.count(), 0U);
}

TEST_F(Places, WhoLeavesTheLineIsNotInIt) {
  for (const int fd : {5, 6, 7}) EXPECT_TRUE(line_.put(fd, 1));
  EXPECT_TRUE(line_.put(6, 2)) << "what a dead worker left may be there";
  EXPECT_TRUE(line_.contains(6));
  line_.remove(6);
  line_.remove(99);
  EXPECT_FALSE(line_.contains(6));
  EXPECT_TRUE(line_.contains(5));
  EXPECT_EQ(line_.count(), 2U);
}

TEST_F(Places, TheLineHasAnEnd) {
  for (std::size_t i = 0; i < WaitingLine::kMost; ++i) EXPECT_TRUE(line_.put(static_cast<int>(i), 9));
  EXPECT_FALSE(line_.put(1'000'000, 9));
  EXPECT_TRUE(line_.take_first());
  EXPECT_TRUE(line_.put(1'000'000, 9));
  EXPECT_TRUE(line_.contains(1'000'000));
}

TEST_F(Places, EachInTheLineIsTakenOnce) {
  constexpr int kEach = 20'000;
  std::vector<std::thread> threads;
  threads.reserve(3);
  std::vector<std::multiset<int>> taken(3);
  for (int t = 0; t < 3; ++t) {
    threads.emplace_back([&, t] {
      for (int i = 0; i < kEach; ++i) {
        while (!line_.put(t * kEach + i, static_cast<Tick>(i))) std::this_thread::yield();
        if (const auto fd = line_.take_first()) taken[static_cast<std::size_t>(t)].insert(*fd);
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  std::multiset<int> all;
  for (const auto& some : taken) all.insert(some.begin(), some.end());
  while (const auto fd = line_.take_first()) all.insert(*fd);
  EXPECT_EQ(all.size(), std::size_t{3} * kEach);
  EXPECT_EQ(std::set<int>(all.begin(), all.end()).size(), all.size());
}

}  // namespace
}  // namespace baton
