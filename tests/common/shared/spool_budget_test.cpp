#include "common/shared/spool_budget.h"

#include <gtest/gtest.h>

#include <array>
#include <cstring>
#include <thread>
#include <vector>

#include "common/base/memory_limit.h"
#include "tests/support/temp_dir.h"

namespace baton {
namespace {

constexpr std::uint64_t kPage = SpoolBudget::kPageBytes;
constexpr auto kMemory = SpoolMedium::kMemory;
constexpr auto kDisk = SpoolMedium::kDisk;

class Budget : public testing::Test {
 protected:
  Budget() {
    limits_.memory = 10;
    limits_.disk = 100;
  }
  [[nodiscard]] SpoolBudget of(std::size_t process) { return {limits_, ledgers_, process, charges_}; }
  void expect_use(std::uint64_t memory, std::uint64_t disk) {
    EXPECT_EQ(of(0).use().memory, memory * kPage);
    EXPECT_EQ(of(0).use().disk, disk * kPage);
  }

  SpoolLimits limits_;
  std::array<SpoolLedger, 3> ledgers_{};
  std::array<std::uint32_t, 32> charges_{};
};

TEST_F(Budget, ChargesWholePagesOfWhatAFileHasInAll) {
  EXPECT_TRUE(of(0).charge(5, kMemory, 1));
  expect_use(1, 0);
  EXPECT_TRUE(of(0).charge(5, kMemory, 2 * kPage));
  expect_use(2, 0);
  EXPECT_TRUE(of(0).charge(6, kDisk, 2 * kPage + 1));
  expect_use(2, 3);
  EXPECT_EQ(of(0).medium_of(5), kMemory);
  EXPECT_EQ(of(0).medium_of(6), kDisk);
  EXPECT_EQ(of(0).medium_of(7), std::nullopt);
}

TEST_F(Budget, NeverMoreThanTheLimit) {
  EXPECT_TRUE(of(0).charge(5, kMemory, 6 * kPage));
  EXPECT_FALSE(of(1).charge(6, kMemory, 5 * kPage));
  expect_use(6, 0);
  EXPECT_TRUE(of(1).charge(6, kMemory, 4 * kPage));
  EXPECT_FALSE(of(0).charge(5, kMemory, 7 * kPage)) << "it stays charged for what it has";
  expect_use(10, 0);
  EXPECT_TRUE(of(0).charge(5, kMemory, kPage)) << "less is always to be had";
  limits_.memory = 0;
  EXPECT_TRUE(of(0).charge(6, kMemory, kPage));
  EXPECT_FALSE(of(0).charge(6, kMemory, 2 * kPage));
}

TEST_F(Budget, WhoeverClosesAFileGivesItBack) {
  EXPECT_TRUE(of(0).charge(5, kMemory, 6 * kPage));
  of(1).give_back(5);
  expect_use(0, 0);
  EXPECT_LT(ledgers_[1].memory, 0);
  EXPECT_TRUE(of(2).charge(5, kMemory, 10 * kPage));
}

TEST_F(Budget, ASecondDescriptorIsChargedForAMoment) {
  EXPECT_TRUE(of(0).charge(5, kDisk, 60 * kPage));
  of(0).charge_like(9, 5);
  expect_use(0, 120);
  of(0).give_back(5);
  expect_use(0, 60);
  of(0).charge_like(10, 4);  // costs nothing, and so does its second one
  EXPECT_EQ(of(0).medium_of(10), std::nullopt);
}

// Every store of a change, left out from any of them on.
TEST_F(Budget, ADeathInTheMiddleOfAChangeIsMadeGood) {
  EXPECT_TRUE(of(0).charge(5, kMemory, 3 * kPage));
  EXPECT_TRUE(of(0).charge(5, kMemory, 8 * kPage));
  const std::uint32_t charge_after = charges_[5];
  ledgers_[0].pending = 1;
  for (int made = 0; made < 4; ++made) {
    charges_[5] = made > 0 ? charge_after : 3;
    ledgers_[0].memory = made > 1 ? 8 : 3;
    ledgers_[0].pending = 1;
    of(0).settle();
    expect_use(8, 0);
    EXPECT_EQ(charges_[5], charge_after);
    EXPECT_EQ(ledgers_[0].pending, 0U);
  }
  charges_[5] = 3;
  ledgers_[0].memory = 3;
  of(0).settle();
  expect_use(3, 0);  // noted, but not begun: as if it had not been
}

TEST_F(Budget, ANoteThatMakesNoSenseHarmsNothing) {
  for (const std::int32_t fd : {-1, 32, 0x7fffffff}) {
    ledgers_[1].fd = fd;
    ledgers_[1].memory_after = ledgers_[1].disk_after = 0;
    ledgers_[1].pending = 1;
    of(1).settle();
  }
  expect_use(0, 0);
  ledgers_[1].memory = std::int64_t{-1} << 63;
  ledgers_[2].memory = -5;
  EXPECT_GE(of(0).use().memory, 0U);
}

TEST_F(Budget, WithoutASegmentNothingIsCounted) {
  const SpoolBudget none;
  EXPECT_TRUE(none.charge(5, kMemory, 1'000'000));
  none.give_back(5);
  none.settle();
  EXPECT_EQ(none.use().memory, 0U);
}

TEST_F(Budget, TwoThatTakeTheLastOfItNeverBothGetIt) {
  constexpr int kRounds = 20'000;
  std::vector<std::jthread> threads;
  std::atomic<int> most{0};
  std::atomic<int> holding{0};
  for (std::size_t i = 0; i < 3; ++i) {
    threads.emplace_back([&, i] {
      const int fd = static_cast<int>(i);
      for (int n = 0; n < kRounds; ++n) {
        if (!of(i).charge(fd, kMemory, 4 * kPage)) continue;
        const int now = holding.fetch_add(1) + 1;
        if (now > most) most = now;
        holding.fetch_sub(1);
        of(i).give_back(fd);
      }
    });
  }
  threads.clear();
  EXPECT_LE(most, 2);
  expect_use(0, 0);
}

// -- what there is

class Groups : public testing::Test {
 protected:
  [[nodiscard]] std::uint64_t limit() const {
    return cgroup_memory_limit(folder_.path() / "cgroup", folder_.path() / "fs");
  }
  test::TempDir folder_;
};

TEST_F(Groups, TheLeastAlongTheWayCounts) {
  folder_.write("cgroup", "0::/a/b/c\n");
  folder_.write("fs/a/memory.max", "4000000\n");
  folder_.write("fs/a/b/memory.max", "max\n");
  folder_.write("fs/a/b/c/memory.max", "9000000\n");
  EXPECT_EQ(limit(), 4'000'000U);
  folder_.write("fs/a/b/c/memory.max", "3000000\n");
  EXPECT_EQ(limit(), 3'000'000U);
}

TEST_F(Groups, VersionOneToo) {
  folder_.write("cgroup", "9:name=systemd:/x\n4:cpu,memory:/a/b\n0::/\n");
  folder_.write("fs/memory/memory.limit_in_bytes", "9223372036854771712\n");
  folder_.write("fs/memory/a/b/memory.limit_in_bytes", "5000000\n");
  EXPECT_EQ(limit(), 5'000'000U);
}

TEST_F(Groups, InAContainerItIsTheTopmostThatIsSeen) {
  folder_.write("cgroup", "0::/not/here\n");
  folder_.write("fs/memory.max", "7000000\n");
  EXPECT_EQ(limit(), 7'000'000U);
}

TEST_F(Groups, WithoutALimitThereIsNone) {
  EXPECT_EQ(limit(), ~std::uint64_t{0});
  folder_.write("cgroup", "0::/\nnonsense\n1:\n");
  EXPECT_EQ(limit(), ~std::uint64_t{0});
  EXPECT_GT(memory_limit(), std::uint64_t{1} << 20);
}

}  // namespace
}  // namespace baton
