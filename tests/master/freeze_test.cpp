#include "master/freeze.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sched.h>
#include <sys/epoll.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <csignal>
#include <thread>

#include "common/base/futex.h"
#include "common/shared/descriptor_motion.h"
#include "tests/support/test_segment.h"
#include "tests/support/wait.h"

namespace baton {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using testing::HasSubstr;

constexpr milliseconds kPatience = seconds(60);

class FreezeTest : public testing::Test {
 protected:
  FreezeTest() {
    worker_.pid = ::fork();
    while (worker_.pid == 0) ::pause();
    worker_.ordinal = 7;
    worker_.index = 1;
  }
  ~FreezeTest() override {
    ::kill(worker_.pid, SIGKILL);
    ::waitpid(worker_.pid, nullptr, 0);
  }
  FreezeTest(const FreezeTest&) = delete;
  FreezeTest& operator=(const FreezeTest&) = delete;

  FlightRecord& flight() { return segment_.scoreboard()[worker_.index].flight; }
  auto freeze_for(milliseconds patience) { return freeze(segment_, epoll_, {&worker_}, patience); }

  test::SegmentName name_;
  Segment segment_ = Segment::create(name_.text(), test::kSmall);
  UniqueFd set_{::epoll_create1(EPOLL_CLOEXEC)};
  EpollSet epoll_{set_.get(), segment_.connections()};
  WorkerProcess worker_;
};

TEST_F(FreezeTest, HoldsAtOnceWhereNothingMoves) {
  EXPECT_EQ(freeze_for(kPatience), std::nullopt);
  EXPECT_EQ(segment_.header().frozen.load(), 1U);
  thaw(segment_, epoll_);
  EXPECT_EQ(segment_.header().frozen.load(), 0U);
}

TEST_F(FreezeTest, WaitsForADescriptorInMotion) {
  for (auto counter : {&FlightRecord::sockets_in_motion, &FlightRecord::files_in_motion}) {
    (flight().*counter).store(3);
    std::atomic<bool> out_of_motion{false};
    std::thread worker([&] {
      while (segment_.header().frozen.load() == 0) std::this_thread::yield();
      out_of_motion = true;
      (flight().*counter).store(4);
    });
    EXPECT_EQ(freeze_for(kPatience), std::nullopt);
    EXPECT_TRUE(out_of_motion);
    worker.join();
    thaw(segment_, epoll_);
  }
}

TEST_F(FreezeTest, IsLiftedAgainWhereAWorkerStaysInMotion) {
  flight().files_in_motion.store(1);
  const auto why = freeze_for(milliseconds(5));
  ASSERT_TRUE(why);
  EXPECT_THAT(*why, HasSubstr("worker 7 (pid " + std::to_string(worker_.pid) + ")"));
  EXPECT_EQ(segment_.header().frozen.load(), 0U);
}

TEST_F(FreezeTest, DoesNotWaitForTheDead) {
  flight().sockets_in_motion.store(1);
  ::kill(worker_.pid, SIGKILL);
  EXPECT_EQ(freeze_for(kPatience), std::nullopt);
}

TEST_F(FreezeTest, ThawWakesWhoWaits) {
  ASSERT_EQ(freeze_for(kPatience), std::nullopt);
  std::thread waiter([&] {
    while (segment_.header().frozen.load() != 0) futex_wait(segment_.header().frozen, 1, 900);
  });
  thaw(segment_, epoll_);
  waiter.join();
}

// Everything that a worker does with descriptors goes through DescriptorMotion: however the two are timed,
// what the master sees as frozen does not move any more.
TEST_F(FreezeTest, NothingMovesUntilItIsLifted) {
  Counters::Counter& moves = segment_.scoreboard()[worker_.index].counters.requests;
  const pid_t child = ::fork();
  if (child == 0) {
    DescriptorMotion::report_to(flight(), segment_.header());
    for (;;) {
      const DescriptorMotion motion(DescriptorMotion::Kind::kSocket);
      if (motion) bump(moves);
    }
  }
  for (int i = 0; i < 200; ++i) {
    const std::uint64_t before = moves.load();
    EXPECT_TRUE(test::wait_until([&] { return moves.load() > before; })) << "it goes on after a thaw";
    ASSERT_EQ(freeze_for(kPatience), std::nullopt);
    const std::uint64_t frozen_at = moves.load();
    for (int look = 0; look < 100; ++look) ::sched_yield();
    EXPECT_EQ(moves.load(), frozen_at);
    thaw(segment_, epoll_);
  }
  // As an upgrade ends: the worker from before it moves nothing any more.
  ASSERT_EQ(freeze_for(kPatience), std::nullopt);
  const std::uint64_t last = moves.load();
  segment_.header().executions.fetch_add(1);
  thaw(segment_, epoll_);
  for (int look = 0; look < 1000; ++look) ::sched_yield();
  EXPECT_EQ(moves.load(), last);
  ::kill(child, SIGKILL);
  ::waitpid(child, nullptr, 0);
}

}  // namespace
}  // namespace baton
