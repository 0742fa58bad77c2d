// The traps of raw clones, shared tables and private tables, and the fixes that baton uses.
#include <fcntl.h>
#include <pthread.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <charconv>
#include <chrono>
#include <csignal>
#include <fstream>
#include <string>
#include <thread>

#include "tests/epoll/facts_fixture.h"

namespace baton::facts {
namespace {

// --- the thread identity of a raw clone ---

class ProcessSharedMutex {
 public:
  ProcessSharedMutex(int type, int robustness) {
    pthread_mutexattr_t attributes;
    ::pthread_mutexattr_init(&attributes);
    ::pthread_mutexattr_setpshared(&attributes, PTHREAD_PROCESS_SHARED);
    ::pthread_mutexattr_settype(&attributes, type);
    ::pthread_mutexattr_setrobust(&attributes, robustness);
    ::pthread_mutex_init(get(), &attributes);
    ::pthread_mutexattr_destroy(&attributes);
  }
  [[nodiscard]] pthread_mutex_t* get() const { return mutex_.get(); }
  [[nodiscard]] int try_lock() const { return ::pthread_mutex_trylock(get()); }

 private:
  Shared<pthread_mutex_t> mutex_;
};

int child_try_lock(const ProcessSharedMutex& mutex, Identity identity) {
  return Child(
             Table::kShared, [&] { return mutex.try_lock(); }, identity)
      .wait();
}

TEST(RawClone, WithAStaleThreadIdEntersARecursiveMutexThatItsParentHolds) {
  const ProcessSharedMutex mutex(PTHREAD_MUTEX_RECURSIVE, PTHREAD_MUTEX_STALLED);
  ASSERT_EQ(mutex.try_lock(), 0);
  EXPECT_EQ(child_try_lock(mutex, Identity::kStale), 0) << "it takes itself for its parent";
  EXPECT_EQ(child_try_lock(mutex, Identity::kThreadId), EBUSY);
  EXPECT_EQ(child_try_lock(mutex, Identity::kThreadAndList), EBUSY);
}

TEST(RawClone, WithAStaleIdentityLeavesARobustMutexLockedForEver) {
  const ProcessSharedMutex stale(PTHREAD_MUTEX_NORMAL, PTHREAD_MUTEX_ROBUST);
  ASSERT_EQ(child_try_lock(stale, Identity::kStale), 0);
  EXPECT_EQ(stale.try_lock(), EBUSY) << "its owner is dead and nobody is told";

  const ProcessSharedMutex no_list(PTHREAD_MUTEX_NORMAL, PTHREAD_MUTEX_ROBUST);
  ASSERT_EQ(child_try_lock(no_list, Identity::kThreadId), 0);
  EXPECT_EQ(no_list.try_lock(), EBUSY) << "the right thread id is not enough";

  const ProcessSharedMutex fixed(PTHREAD_MUTEX_NORMAL, PTHREAD_MUTEX_ROBUST);
  ASSERT_EQ(child_try_lock(fixed, Identity::kThreadAndList), 0);
  EXPECT_EQ(fixed.try_lock(), EOWNERDEAD);
  EXPECT_EQ(::pthread_mutex_consistent(fixed.get()), 0);
  EXPECT_EQ(::pthread_mutex_unlock(fixed.get()), 0);
}

TEST(RawClone, WithTheFixReportsAnOwnerThatWasKilled) {
  const ProcessSharedMutex mutex(PTHREAD_MUTEX_RECURSIVE, PTHREAD_MUTEX_ROBUST);
  for (int i = 0; i < 20; ++i) {
    Actor owner(Table::kShared);
    ASSERT_EQ(owner.run([held = mutex.get()] { return ::pthread_mutex_trylock(held); }), 0);
    ASSERT_EQ(mutex.try_lock(), EBUSY);
    ASSERT_EQ(owner.kill(), -SIGKILL);
    ASSERT_EQ(mutex.try_lock(), EOWNERDEAD);
    ASSERT_EQ(::pthread_mutex_consistent(mutex.get()), 0);
    ASSERT_EQ(::pthread_mutex_unlock(mutex.get()), 0);
  }
}

TEST(RawClone, HasItsOwnMemory) {
  int counter = 1;
  Child child(Table::kShared, [&counter] { return ++counter; });
  EXPECT_EQ(child.wait(), 2);
  EXPECT_EQ(counter, 1);
}

// --- the size of the table ---

int table_size() {
  std::ifstream status("/proc/self/status");
  for (std::string line; std::getline(status, line);) {
    if (line.rfind("FDSize:", 0) == 0) return std::stoi(line.substr(7));
  }
  return -1;
}

// In a process of its own, since a table never shrinks. Returns 0, or the number of the step that failed.
int grow_then_clone() {
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) return 1;
  limit.rlim_cur = std::min<rlim_t>(limit.rlim_max, 8192);
  if (::setrlimit(RLIMIT_NOFILE, &limit) != 0) return 2;
  const int top = static_cast<int>(limit.rlim_cur) - 1;
  const int before = table_size();
  if (before < 0 || before > top) return 3;
  if (::dup2(0, top) != top || table_size() <= top) return 4;
  if (::close(top) != 0 || table_size() <= top) return 5;
  if (Child(Table::kShared, [top] { return table_size() > top ? 0 : 1; }).wait() != 0) return 6;
  // A copy is as large as it needs to be: a forked child would have to grow its table again.
  if (Child(Table::kCopy, [top] { return table_size() > top ? 1 : 0; }).wait() != 0) return 7;
  return 0;
}

TEST(TableSize, StaysGrownAfterTheTopDescriptorIsClosedAndClonesShareIt) {
  EXPECT_EQ(Child(Table::kCopy, grow_then_clone).wait(), 0);
}

// --- a thread with a table of its own ---

bool is_open(int fd) {
  return ::fcntl(fd, F_GETFD) >= 0;
}

struct Pipe {
  Pipe() {
    std::array<int, 2> ends{-1, -1};
    EXPECT_EQ(::pipe2(ends.data(), O_CLOEXEC | O_NONBLOCK), 0);
    read.reset(ends[0]);
    write.reset(ends[1]);
  }
  UniqueFd read;
  UniqueFd write;
};

int leave_shared_table() {
  return static_cast<int>(::syscall(SYS_close_range, 3U, ~0U, CLOSE_RANGE_UNSHARE));
}

// At least 3: the first three descriptors are not closed by close_range(3, ...).
TEST(PrivateTable, OfAThreadLeavesTheProcessItsDescriptorsAndHidesItsOwn) {
  const Pipe kept;
  ASSERT_GE(kept.read.get(), 3);
  std::thread app([&] {
    ASSERT_EQ(leave_shared_table(), 0);
    EXPECT_FALSE(is_open(kept.read.get()));
    EXPECT_FALSE(is_open(kept.write.get()));
    EXPECT_TRUE(is_open(STDERR_FILENO)) << "the standard descriptors come along";

    // A library's double close, in the worst place: a number that is a client elsewhere.
    EXPECT_EQ(::dup2(STDERR_FILENO, kept.write.get()), kept.write.get());
    EXPECT_EQ(::close(kept.write.get()), 0);
    EXPECT_EQ(::close(kept.write.get()), -1);
  });
  app.join();
  EXPECT_EQ(::write(kept.write.get(), "x", 1), 1) << "the process's pipe is whole";
  char byte = 0;
  EXPECT_EQ(::read(kept.read.get(), &byte, 1), 1);
}

// In a clone that shares this table, as a worker does: its second thread leaves the table, then holds one end
// of a pipe alone. Returns only if something fails.
int hold_pipe_privately(const Pipe& pipe, std::atomic<int>& phase) {
  int failed = 0;
  std::thread app([&] {
    const int own = ::fcntl(pipe.write.get(), F_DUPFD_CLOEXEC, 0);
    // Everything but the one descriptor: what a handler would have opened itself.
    if (own < 3 || ::syscall(SYS_close_range, static_cast<unsigned>(own) + 1, ~0U, CLOSE_RANGE_UNSHARE) != 0)
      failed = 1;
    if (::syscall(SYS_close_range, 3U, static_cast<unsigned>(own) - 1, 0U) != 0) failed = 2;
    phase = failed == 0 ? own : -failed;
    if (!eventually([&] { return phase == 0; })) failed = 3;
  });
  app.join();
  return failed;
}

TEST(PrivateTable, IsClosedByTheKernelWhenTheWorkerIsKilledWhileTheSharedOneStays) {
  Pipe pipe;
  Shared<std::atomic<int>> phase;
  Child worker(Table::kShared, [&] { return hold_pipe_privately(pipe, *phase); });
  ASSERT_TRUE(eventually([&] { return *phase != 0; }));
  ASSERT_GT(*phase, 0);
  ASSERT_EQ(::close(*phase), 0) << "the shared table's duplicate, made before the thread left";
  pipe.write.reset();
  char byte = 0;
  ASSERT_EQ(::read(pipe.read.get(), &byte, 1), -1) << "the thread still has it open";
  ASSERT_EQ(errno, EAGAIN);
  ASSERT_EQ(worker.kill(), -SIGKILL);
  EXPECT_EQ(::read(pipe.read.get(), &byte, 1), 0) << "end of file: the last writer is gone";
  EXPECT_TRUE(is_open(pipe.read.get()));
}

TEST(PrivateTable, WithoutItADescriptorOpenedByAKilledWorkerStaysOpen) {
  Pipe pipe;
  Actor worker(Table::kShared);
  const UniqueFd leaked(
      static_cast<int>(worker.run([fd = pipe.write.get()] { return ::fcntl(fd, F_DUPFD_CLOEXEC, 0); })));
  pipe.write.reset();
  ASSERT_EQ(worker.kill(), -SIGKILL);
  char byte = 0;
  EXPECT_EQ(::read(pipe.read.get(), &byte, 1), -1);
  EXPECT_EQ(errno, EAGAIN);
}

// --- the wait ---

TEST(FiniteWait, EndsByItselfAndNeverEarly) {
  const EpollSet set;
  epoll_event event{};
  const auto start = std::chrono::steady_clock::now();
  EXPECT_EQ(::epoll_pwait(set.get(), &event, 1, 100, nullptr), 0);
  EXPECT_GE(std::chrono::steady_clock::now() - start, std::chrono::milliseconds(100));
}

volatile std::sig_atomic_t stop_requested = 0;

// A worker's loop in small: SIGTERM is blocked except inside epoll_pwait. Returns 0, or the step that failed.
int take_signal_only_in_the_wait() {
  struct sigaction action {};
  action.sa_handler = [](int) { stop_requested = 1; };
  ::sigaction(SIGTERM, &action, nullptr);
  sigset_t blocked;
  sigset_t during_wait;
  ::sigemptyset(&blocked);
  ::sigaddset(&blocked, SIGTERM);
  ::sigprocmask(SIG_BLOCK, &blocked, &during_wait);
  const EpollSet set;
  set.raise_fence();
  ::kill(::getpid(), SIGTERM);
  if (stop_requested != 0) return 1;
  epoll_event event{};
  // A ready event wins over a pending signal; the signal ends the first wait that would sleep.
  if (::epoll_pwait(set.get(), &event, 1, kGuardMs, &during_wait) != 1) return 2;
  if (stop_requested != 0) return 3;
  if (::epoll_pwait(set.get(), &event, 1, kGuardMs, &during_wait) != -1 || errno != EINTR) return 4;
  return stop_requested == 1 ? 0 : 5;
}

TEST(FiniteWait, TakesAPendingSignalWithoutSleeping) {
  EXPECT_EQ(Child(Table::kCopy, take_signal_only_in_the_wait).wait(), 0);
}

}  // namespace
}  // namespace baton::facts
