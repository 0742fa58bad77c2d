#include "common/shared/permits.h"

#include <gtest/gtest.h>

#include <memory>
#include <thread>
#include <vector>

namespace baton {
namespace {

TEST(Permits, AsManyAsMayAndNoMore) {
  const auto permits = std::make_unique<PermitSet>();
  for (Holder worker = 0; worker < 3; ++worker) EXPECT_TRUE(permits->acquire(worker, 3));
  EXPECT_FALSE(permits->acquire(3, 3));
  permits->release(1);
  EXPECT_TRUE(permits->acquire(3, 3));
  EXPECT_FALSE(permits->acquire(1, 3));
}

TEST(Permits, GivenBackByWhoHasNone) {
  const auto permits = std::make_unique<PermitSet>();
  EXPECT_TRUE(permits->acquire(0, 1));
  permits->release(5);
  EXPECT_FALSE(permits->acquire(5, 1));
}

TEST(Permits, HeldAreCounted) {
  const auto permits = std::make_unique<PermitSet>();
  EXPECT_TRUE(permits->has_free(1));
  EXPECT_FALSE(permits->has_free(0));
  EXPECT_TRUE(permits->acquire(4, 2));
  EXPECT_FALSE(permits->has_free(1));
  EXPECT_TRUE(permits->has_free(2));
  EXPECT_TRUE(permits->acquire(5, 2));
  EXPECT_FALSE(permits->has_free(2));
  EXPECT_EQ(permits->count_held(1), 1U);
  EXPECT_EQ(permits->count_held(), 2U);
  permits->release(4);
  EXPECT_TRUE(permits->has_free(2));
}

// The master takes a place back that its worker gives back at the same time: what a third one has got of it
// stays.
TEST(Permits, GivenBackTwiceAtATime) {
  const auto permits = std::make_unique<PermitSet>();
  std::atomic<bool> over{false};
  std::thread master([&] {
    while (!over) permits->release(0);
  });
  for (int i = 0; i < 100'000; ++i) {
    if (permits->acquire(0, 1)) permits->release(0);
    if (!permits->acquire(1, 1)) continue;
    std::this_thread::yield();
    ASSERT_EQ(permits->holders[0].load(), 2);
    permits->release(1);
  }
  over = true;
  master.join();
}

TEST(Permits, AllThatThereAre) {
  const auto permits = std::make_unique<PermitSet>();
  for (Holder worker = 0; worker < kMaxWorkersPerGeneration; ++worker)
    EXPECT_TRUE(permits->acquire(worker, kMaxWorkersPerGeneration));
  EXPECT_FALSE(permits->acquire(kMaxWorkersPerGeneration, kMaxWorkersPerGeneration));
  EXPECT_FALSE(permits->acquire(kMaxWorkersPerGeneration, 10'000)) << "more are allowed than can be";
  for (Holder worker = 0; worker < kMaxWorkersPerGeneration; ++worker) permits->release(worker);
  for (const auto& holder : permits->holders) EXPECT_EQ(holder.load(), 0);
}

// During a reload two generations may see different limits.
TEST(Permits, ALowerLimitCountsItsOwnPlacesOnly) {
  const auto permits = std::make_unique<PermitSet>();
  EXPECT_TRUE(permits->acquire(0, 4));
  EXPECT_TRUE(permits->acquire(1, 4));
  EXPECT_FALSE(permits->acquire(2, 2));
  EXPECT_FALSE(permits->acquire(2, 0));
  EXPECT_TRUE(permits->acquire(2, 3));
}

TEST(Permits, OfManyAtOnce) {
  constexpr std::uint32_t kMost = 3;
  constexpr Holder kWorkers = 6;
  const auto permits = std::make_unique<PermitSet>();
  std::atomic<std::uint32_t> inside{0};
  std::atomic<std::uint32_t> highest{0};
  std::atomic<std::uint32_t> entered{0};
  std::vector<std::thread> threads;
  for (Holder worker = 0; worker < kWorkers; ++worker) {
    threads.emplace_back([&, worker] {
      for (int i = 0; i < 20'000; ++i) {
        if (!permits->acquire(worker, kMost)) continue;
        const std::uint32_t now = ++inside;
        std::uint32_t before = highest.load();
        while (now > before && !highest.compare_exchange_weak(before, now)) {
        }
        ++entered;
        --inside;
        permits->release(worker);
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_LE(highest.load(), kMost);
  EXPECT_GT(entered.load(), 0U);
  for (const auto& holder : permits->holders) EXPECT_EQ(holder.load(), 0);
}

}  // namespace
}  // namespace baton
