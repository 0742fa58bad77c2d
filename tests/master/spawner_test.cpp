#include "master/spawner.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <pthread.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <new>

namespace baton {
namespace {

// Seen by both processes.
struct Shared {
  pthread_mutex_t mutex;
  int result = -1;
  pid_t pid = -1;
  pid_t owner = -1;
};

class Spawner : public ::testing::Test {
 protected:
  Spawner()
      : shared_(new (::mmap(nullptr, sizeof(Shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1,
                            0)) Shared) {}
  ~Spawner() override { ::munmap(shared_, sizeof(Shared)); }

  void make_mutex(int kind, bool robust) const {
    pthread_mutexattr_t attributes;
    ::pthread_mutexattr_init(&attributes);
    ::pthread_mutexattr_setpshared(&attributes, PTHREAD_PROCESS_SHARED);
    ::pthread_mutexattr_settype(&attributes, kind);
    if (robust) ::pthread_mutexattr_setrobust(&attributes, PTHREAD_MUTEX_ROBUST);
    ::pthread_mutex_init(&shared_->mutex, &attributes);
    ::pthread_mutexattr_destroy(&attributes);
  }
  // Waits for its end; the exit status, or 128 + the signal.
  static int wait_for(pid_t child) {
    siginfo_t info{};
    EXPECT_EQ(::waitid(P_PID, static_cast<id_t>(child), &info, WEXITED), 0);
    EXPECT_EQ(info.si_pid, child);
    return info.si_code == CLD_EXITED ? info.si_status : 128 + info.si_status;
  }

  Shared* shared_;
};

TEST_F(Spawner, RunsTheChildInAProcessOfItsOwn) {
  int mine = 1;
  const pid_t child = spawn_worker([&] {
    shared_->pid = ::getpid();
    mine = 2;
    ::_exit(7);
  });
  ASSERT_GT(child, 0);
  EXPECT_EQ(wait_for(child), 7);
  EXPECT_EQ(shared_->pid, child);
  EXPECT_EQ(mine, 1) << "memory is not shared";
}

TEST_F(Spawner, TheDescriptorTableIsOne) {
  const pid_t child = spawn_worker([&] {
    shared_->result = ::open("/dev/null", O_RDONLY | O_CLOEXEC);
    ::_exit(0);
  });
  EXPECT_EQ(wait_for(child), 0);
  ASSERT_GE(shared_->result, 0);
  EXPECT_GE(::fcntl(shared_->result, F_GETFD), 0) << "it outlives the process that opened it";
  ::close(shared_->result);
}

// The C library caches each thread's id, and mutexes know their owner by it.
TEST_F(Spawner, TheChildKnowsItsOwnThreadId) {
  make_mutex(PTHREAD_MUTEX_ERRORCHECK, false);
  const pid_t child = spawn_worker([&] {
    ::pthread_mutex_lock(&shared_->mutex);
    shared_->owner = shared_->mutex.__data.__owner;
    shared_->pid = ::gettid();
    ::_exit(0);
  });
  EXPECT_EQ(wait_for(child), 0);
  EXPECT_EQ(shared_->owner, child);
  EXPECT_EQ(shared_->pid, child);
}

TEST_F(Spawner, ARecursiveMutexOfTheParentIsNotTheChilds) {
  make_mutex(PTHREAD_MUTEX_RECURSIVE, false);
  ASSERT_EQ(::pthread_mutex_lock(&shared_->mutex), 0);
  const pid_t child = spawn_worker([&] {
    shared_->result = ::pthread_mutex_trylock(&shared_->mutex);
    ::_exit(0);
  });
  EXPECT_EQ(wait_for(child), 0);
  EXPECT_EQ(shared_->result, EBUSY);
  EXPECT_EQ(::pthread_mutex_lock(&shared_->mutex), 0) << "the parent may still take it again";
}

TEST_F(Spawner, ARobustMutexTellsThatItsOwnerDied) {
  make_mutex(PTHREAD_MUTEX_NORMAL, true);
  const pid_t child = spawn_worker([&] {
    ::pthread_mutex_lock(&shared_->mutex);
    ::kill(::getpid(), SIGKILL);
  });
  EXPECT_EQ(wait_for(child), 128 + SIGKILL);
  EXPECT_EQ(::pthread_mutex_trylock(&shared_->mutex), EOWNERDEAD);
  EXPECT_EQ(::pthread_mutex_consistent(&shared_->mutex), 0);
  EXPECT_EQ(::pthread_mutex_unlock(&shared_->mutex), 0);
}

}  // namespace
}  // namespace baton
