#include "common/shared/connection_table.h"

#include <gtest/gtest.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <memory>
#include <new>
#include <vector>

namespace baton {
namespace {

class ConnectionTableTest : public testing::Test {
 protected:
  std::vector<Slot> slots_{8};
  std::vector<SlotNotes> notes_{8};
  ConnectionTable table_{slots_, notes_};
};

TEST(Claim, PacksIntoOneWordAndBack) {
  const Claim claim{0xdeadbeef, 0x1234, SlotState::kArmedWrite, SlotRole::kListener};
  EXPECT_EQ(claim.pack(), 0xdeadbeef'1234'03'02U);
  const Claim back = Claim::unpack(claim.pack());
  EXPECT_EQ(back.generation, claim.generation);
  EXPECT_EQ(back.holder, claim.holder);
  EXPECT_EQ(back.state, claim.state);
  EXPECT_EQ(back.role, claim.role);
}

TEST(Claim, OnlyArmedStatesAreArmed) {
  EXPECT_TRUE((Claim{1, kNoHolder, SlotState::kArmedRead, SlotRole::kClient}.armed()));
  EXPECT_TRUE((Claim{1, kNoHolder, SlotState::kArmedWrite, SlotRole::kClient}.armed()));
  EXPECT_FALSE((Claim{1, 0, SlotState::kHeld, SlotRole::kClient}.armed()));
  EXPECT_FALSE((Claim{1, kNoHolder, SlotState::kFree, SlotRole::kClient}.armed()));
  EXPECT_FALSE((Claim{1, kNoHolder, SlotState::kListener, SlotRole::kClient}.armed()));
}

TEST_F(ConnectionTableTest, ContainsTheDescriptorsItHasSlotsFor) {
  EXPECT_TRUE(table_.contains(0));
  EXPECT_TRUE(table_.contains(7));
  EXPECT_FALSE(table_.contains(8));
  EXPECT_FALSE(table_.contains(-1));
}

TEST_F(ConnectionTableTest, OpenHoldsTheSlotInANewGeneration) {
  const Claim claim = table_.open(5, 3);
  EXPECT_EQ(claim.generation, 1U);
  EXPECT_EQ(table_.claim(5).pack(), claim.pack());
  EXPECT_EQ(claim.state, SlotState::kHeld);
  EXPECT_EQ(claim.holder, 3);
  table_.free(5);
  EXPECT_EQ(table_.open(5, 1).generation, 2U);
}

TEST_F(ConnectionTableTest, OpenForgetsTheConnectionBefore) {
  table_.open(5, 3);
  Slot& slot = table_.at(5);
  slot.phase = Phase::kParked;
  slot.requests = 9;
  slot.bytes_out = 1000;
  slot.body_fd = slot.script_fd = slot.spool_fd = 7;
  slot.peeked = 12;
  slot.crashes = 1;
  slot.deadline = 99;
  slot.deadline_kind = Deadline::kSend;
  slot.verdict = Verdict::kExpired;
  slot.flags = SlotFlags::kCloseAfter;
  table_.free(5);
  table_.open(5, 3);
  EXPECT_EQ(slot.phase, Phase::kHead);
  EXPECT_EQ(slot.requests, 0U);
  EXPECT_EQ(slot.bytes_out, 0U);
  EXPECT_EQ(slot.body_fd, -1);
  EXPECT_EQ(slot.script_fd, -1);
  EXPECT_EQ(slot.spool_fd, -1);
  EXPECT_EQ(slot.peeked, 0U);
  EXPECT_EQ(slot.crashes, 0U);
  EXPECT_EQ(slot.deadline, 0U);
  EXPECT_EQ(slot.deadline_kind, Deadline::kNone);
  EXPECT_EQ(slot.verdict, Verdict::kNone);
  EXPECT_EQ(slot.flags, 0);
}

TEST_F(ConnectionTableTest, AnArmedSlotIsClaimedOnceAndSaysWhatItWasArmedFor) {
  for (const SlotState armed : {SlotState::kArmedRead, SlotState::kArmedWrite}) {
    const std::uint32_t generation = table_.open(5, 3).generation;
    table_.release(5, armed);
    EXPECT_EQ(table_.claim(5).state, armed);
    EXPECT_EQ(table_.claim(5).holder, kNoHolder);
    EXPECT_EQ(table_.try_claim(5, generation, 1), armed);
    EXPECT_EQ(table_.claim(5).state, SlotState::kHeld);
    EXPECT_EQ(table_.claim(5).holder, 1);
    EXPECT_EQ(table_.try_claim(5, generation, 2), std::nullopt);
    EXPECT_EQ(table_.claim(5).holder, 1);
    table_.free(5);
  }
}

TEST_F(ConnectionTableTest, AnEventOfAnEarlierConnectionClaimsNothing) {
  const std::uint32_t old = table_.open(5, 3).generation;
  table_.release(5, SlotState::kArmedRead);
  ASSERT_TRUE(table_.try_claim(5, old, 3));
  table_.free(5);
  EXPECT_EQ(table_.try_claim(5, old, 1), std::nullopt) << "free";
  const std::uint32_t fresh = table_.open(5, 3).generation;
  table_.release(5, SlotState::kArmedRead);
  EXPECT_EQ(table_.try_claim(5, old, 1), std::nullopt) << "reused";
  EXPECT_EQ(table_.claim(5).state, SlotState::kArmedRead);
  EXPECT_TRUE(table_.try_claim(5, fresh, 1));
}

TEST_F(ConnectionTableTest, AListenerIsNeverClaimed) {
  const std::uint32_t generation = table_.open_listener(2);
  EXPECT_EQ(table_.claim(2).state, SlotState::kListener);
  EXPECT_EQ(table_.claim(2).generation, generation);
  EXPECT_EQ(table_.try_claim(2, generation, 1), std::nullopt);
  table_.free_listener(2);
  EXPECT_EQ(table_.claim(2).state, SlotState::kFree);
}

// Two processes that are delivered the same event: in each round both try, and exactly one may win.
constexpr int kRounds = 10'000;
constexpr int kFd = 1;

struct Arena {
  std::array<Slot, 2> slots;
  std::array<SlotNotes, 2> notes;
  std::array<std::atomic<int>, 2> arrived;  // rounds begun by each racer
  std::array<std::atomic<int>, 2> tried;    // rounds tried by each racer
  std::array<std::array<std::uint8_t, kRounds>, 2> won;

  ConnectionTable table() { return {slots, notes}; }
};

struct Unmap {
  void operator()(Arena* arena) const { ::munmap(arena, sizeof(Arena)); }
};

void await(const std::atomic<int>& counter, int value) {
  while (counter.load(std::memory_order_acquire) < value) ::sched_yield();
}

void race(Arena& arena, std::size_t me, std::uint32_t generation) {
  const std::size_t other = 1 - me;
  const ConnectionTable table = arena.table();
  for (int round = 0; round < kRounds; ++round) {
    arena.arrived[me].store(round + 1, std::memory_order_release);
    await(arena.arrived[other], round + 1);
    const bool won = table.try_claim(kFd, generation, static_cast<Holder>(me)).has_value();
    arena.won[me][static_cast<std::size_t>(round)] = won;
    arena.tried[me].store(round + 1, std::memory_order_release);
    await(arena.tried[other], round + 1);
    // The winner arms the slot before it enters the next round, which nobody begins without it.
    if (won) table.release(kFd, SlotState::kArmedRead);
  }
}

TEST(ConnectionTableRace, ExactlyOneOfTwoProcessesWinsEachClaim) {
  void* memory = ::mmap(nullptr, sizeof(Arena), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  ASSERT_NE(memory, MAP_FAILED);
  const std::unique_ptr<Arena, Unmap> arena(new (memory) Arena{});
  const std::uint32_t generation = arena->table().open(kFd, 0).generation;
  arena->table().release(kFd, SlotState::kArmedRead);

  const pid_t child = ::fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    race(*arena, 1, generation);
    ::_exit(0);
  }
  race(*arena, 0, generation);
  int status = 0;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  ASSERT_EQ(status, 0);
  int wrong = 0;
  for (std::size_t round = 0; round < kRounds; ++round) {
    if (arena->won[0][round] + arena->won[1][round] != 1) ++wrong;
  }
  EXPECT_EQ(wrong, 0) << "rounds without exactly one winner";
}

}  // namespace
}  // namespace baton
