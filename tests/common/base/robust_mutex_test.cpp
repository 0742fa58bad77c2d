#include "common/base/robust_mutex.h"

#include <gtest/gtest.h>
#include <linux/futex.h>
#include <signal.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <thread>

#include "tests/support/test_dict.h"
#include "tests/support/wait.h"

namespace baton {
namespace {

using test::SharedObject;

class RobustMutexTest : public testing::Test {
 protected:
  RobustMutexTest() { mutex_->create(); }

  // A process that takes the lock and dies.
  void die_with_it(void (*before_death)() = [] {}) {
    const pid_t child = ::fork();
    ASSERT_GE(child, 0);
    if (child == 0) {
      static_cast<void>(mutex_->lock());
      before_death();
      ::kill(::getpid(), SIGKILL);
    }
    ASSERT_EQ(::waitpid(child, nullptr, 0), child);
  }

  SharedObject<RobustMutex> mutex_;
};

TEST_F(RobustMutexTest, TellsThatItsOwnerDied) {
  die_with_it();
  EXPECT_EQ(mutex_->lock(), RobustMutex::Taken::kOwnerDied);
  mutex_->mark_consistent();
  mutex_->unlock();
  EXPECT_EQ(mutex_->lock(), RobustMutex::Taken::kClean);
  mutex_->unlock();
}

TEST_F(RobustMutexTest, TellsItAgainWhenTheRepairerDied) {
  die_with_it();
  die_with_it();
  EXPECT_EQ(mutex_->lock(), RobustMutex::Taken::kOwnerDied);
  mutex_->mark_consistent();
  mutex_->unlock();
}

// What a wild write into a thread's own memory does: the kernel finds no list of locks to undo.
TEST_F(RobustMutexTest, IsTakenFromTheDeadWhereTheKernelDoesNot) {
  die_with_it([] { ::syscall(SYS_set_robust_list, nullptr, sizeof(robust_list_head)); });
  EXPECT_EQ(mutex_->lock(), RobustMutex::Taken::kOwnerDied);
  mutex_->mark_consistent();
  mutex_->unlock();
}

TEST_F(RobustMutexTest, WaitsForALivingOwner) {
  SharedObject<std::atomic<int>> stage;
  const pid_t child = ::fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    static_cast<void>(mutex_->lock());
    stage->store(1);
    while (stage->load() != 2) ::sched_yield();
    stage->store(3);
    mutex_->unlock();
    ::_exit(0);
  }
  ASSERT_TRUE(test::wait_until([&] { return stage->load() == 1; }));
  // Longer than it takes to look whether the owner lives.
  std::thread other([&] {
    std::this_thread::sleep_for(std::chrono::milliseconds(60));
    stage->store(2);
  });
  EXPECT_EQ(mutex_->lock(), RobustMutex::Taken::kClean);
  EXPECT_EQ(stage->load(), 3);
  mutex_->unlock();
  other.join();
  ASSERT_EQ(::waitpid(child, nullptr, 0), child);
}

TEST_F(RobustMutexTest, EndsAProcessThatComesTwice) {
  const pid_t child = ::fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    static_cast<void>(mutex_->lock());
    static_cast<void>(mutex_->lock());
    ::_exit(0);
  }
  int status = 0;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  EXPECT_TRUE(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
  EXPECT_EQ(mutex_->lock(), RobustMutex::Taken::kOwnerDied);
  mutex_->mark_consistent();
  mutex_->unlock();
}

}  // namespace
}  // namespace baton
