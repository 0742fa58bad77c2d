// The two threads of a worker: what runs where, and that a handler cannot tell.
#include "worker/app/app_thread.h"

#include <asm/prctl.h>
#include <fcntl.h>
#include <gtest/gtest.h>
#include <pthread.h>
#include <signal.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cfenv>
#include <chrono>
#include <span>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "common/base/unique_fd.h"
#include "tests/support/machine.h"
#include "tests/support/server.h"

namespace baton::app {

namespace {

const bool kStandsIn = test::stands_in();

thread_local int of_the_thread = 0;

pid_t kernel_thread() {
  return static_cast<pid_t>(::syscall(SYS_gettid));
}

void change_mask(int how, int signal) {
  sigset_t one;
  ::sigemptyset(&one);
  ::sigaddset(&one, signal);
  ::pthread_sigmask(how, &one, nullptr);
}

// Not destroyed: the thread never ends.
AppThread& thread() {
  static AppThread& only = *new AppThread;
  return only;
}

// Of the calling thread.
std::span<char> stack_of_thread() {
  pthread_attr_t attributes;
  void* begin = nullptr;
  std::size_t bytes = 0;
  EXPECT_EQ(::pthread_getattr_np(::pthread_self(), &attributes), 0);
  ::pthread_attr_getstack(&attributes, &begin, &bytes);
  ::pthread_attr_destroy(&attributes);
  return {static_cast<char*>(begin), bytes};
}

bool run_here(auto&& fn) {
  return thread().run_here(fn, false, 0);
}

TEST(AppThread, RunsOnItsOwnThread) {
  pid_t id = 0;
  int* storage = nullptr;
  thread().run([&] {
    id = kernel_thread();
    storage = &of_the_thread;
  });
  EXPECT_EQ(id, thread().id());
  EXPECT_NE(id, kernel_thread());
  EXPECT_NE(storage, &of_the_thread);
}

TEST(AppThread, StandsInForWorkThatMakesNoSystemCall) {
  pthread_t self{};
  int* storage = nullptr;
  int* storage_there = nullptr;
  char* frame = nullptr;
  const bool quiet = run_here([&] {
    self = ::pthread_self();
    storage = &of_the_thread;
    frame = static_cast<char*>(__builtin_frame_address(0));
    EXPECT_TRUE(thread().is_current());
  });
  EXPECT_EQ(quiet, kStandsIn);
  thread().run([&] {
    storage_there = &of_the_thread;
    EXPECT_EQ(self, ::pthread_self());
    const std::span<char> stack = stack_of_thread();
    EXPECT_GT(frame, stack.data());
    EXPECT_LT(frame, stack.data() + stack.size());
  });
  EXPECT_EQ(storage, storage_there);
  EXPECT_NE(storage, &of_the_thread);
  EXPECT_FALSE(thread().is_current());
}

TEST(AppThread, ItsFirstSystemCallTakesWorkToTheOtherThread) {
  std::vector<pid_t> ids;
  ids.reserve(4);
  volatile double sum = 0;
  errno = EDOM;
  EXPECT_FALSE(run_here([&] {
    double local = 0.5;
    for (int i = 0; i < 4; ++i) {
      errno = ENOTTY;
      local *= 1.5;
      ids.push_back(kernel_thread());
      EXPECT_EQ(errno, ENOTTY);
    }
    sum = local;
  }));
  EXPECT_EQ(errno, EDOM) << "of this thread";
  EXPECT_EQ(ids, std::vector<pid_t>(4, thread().id()));
  EXPECT_EQ(sum, 0.5 * 1.5 * 1.5 * 1.5 * 1.5);
}

// What the call says, it says of its own.
TEST(AppThread, ResultsAndErrorsOfTheFirstSystemCallArriveThere) {
  long pid = 0;
  int result = 0;
  int error = 0;
  EXPECT_FALSE(run_here([&] { pid = ::syscall(SYS_getpid); }));
  EXPECT_FALSE(run_here([&] {
    result = ::close(1 << 20);
    error = errno;
  }));
  EXPECT_EQ(pid, ::getpid());
  EXPECT_EQ(result, -1);
  EXPECT_EQ(error, EBADF);
}

// The waiting thread looks around twice a second meanwhile, and has the same thread-local storage.
TEST(AppThread, NobodyElseTouchesErrno) {
  std::atomic<bool> over{false};  // told by another thread: on some machines the clock takes a system call
  std::jthread other([&] {
    std::this_thread::sleep_for(std::chrono::milliseconds(1'300));  // for some of its looks
    over = true;
  });
  bool touched = false;
  EXPECT_EQ(run_here([&] {
              errno = 0;
              while (!over) touched = touched || *static_cast<volatile int*>(&errno) != 0;
            }),
            kStandsIn);
  EXPECT_FALSE(touched);
  for (int i = 0; i < 10'000; ++i) {
    run_here([&] {
      errno = ENOTTY;
      kernel_thread();
      touched = touched || errno != ENOTTY;
    });
  }
  EXPECT_FALSE(touched);
}

// What a module's own thread does when it crashes: that lets the event thread make no system call.
TEST(AppThread, OnlyTheEventThreadEndsItsStandingIn) {
  std::atomic<bool> begun{false};
  std::atomic<bool> interrupted{false};
  std::thread other([&] {
    while (!begun) {
    }
    EXPECT_FALSE(BorrowedThread::interrupt());
    interrupted = true;
  });
  pid_t id = 0;
  EXPECT_FALSE(run_here([&] {
    begun = true;
    while (!interrupted) {
    }
    id = kernel_thread();
  }));
  other.join();
  EXPECT_EQ(id, thread().id());
}

// Such a handler would run on the wrong thread, and return with a system call.
TEST(AppThread, DoesNotStandInWhereSignalsCanInterrupt) {
  EXPECT_EQ(run_here([] {}), kStandsIn);
  thread().run([] { ::signal(SIGSEGV, [](int) {}); });
  EXPECT_FALSE(run_here([] {}));
  thread().run([] { ::signal(SIGSEGV, SIG_DFL); });
  EXPECT_EQ(run_here([] {}), kStandsIn);
}

// Nor would one for any other signal be right there; so those wait.
TEST(AppThread, SignalsComeToItsOwnCodeAlone) {
  static std::atomic<pid_t> taken_by{0};
  thread().run([] { ::signal(SIGUSR1, [](int) { taken_by = kernel_thread(); }); });
  change_mask(SIG_BLOCK, SIGUSR1);
  EXPECT_EQ(run_here([] {}), kStandsIn);
  ::kill(::getpid(), SIGUSR1);
  EXPECT_EQ(run_here([] {}), kStandsIn);
  EXPECT_EQ(taken_by, 0);
  thread().run([] { EXPECT_EQ(taken_by, thread().id()); });
  change_mask(SIG_UNBLOCK, SIGUSR1);
  thread().run([] { ::signal(SIGUSR1, SIG_DFL); });
}

TEST(AppThread, BlocksNothingOfItself) {
  thread().run([] {
    sigset_t mask;
    ::pthread_sigmask(SIG_SETMASK, nullptr, &mask);
    for (int signal = 1; signal < SIGRTMIN; ++signal) EXPECT_NE(::sigismember(&mask, signal), 1) << signal;
  });
}

TEST(AppThread, WorkSeesItsOwnDescriptorsWhereverItBegan) {
  const UniqueFd ours(::fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 500));
  ASSERT_GE(ours.get(), 500);
  int theirs = -1;
  EXPECT_FALSE(run_here([&] {
    EXPECT_EQ(::fcntl(ours.get(), F_GETFD), -1);
    theirs = ::fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 600);
  }));
  ASSERT_GE(theirs, 600);
  EXPECT_EQ(::fcntl(theirs, F_GETFD), -1);
  EXPECT_FALSE(run_here([&] { EXPECT_EQ(::close(theirs), 0); }));
}

TEST(AppThread, LocksAreOwnedWhereverTheyWereTaken) {
  pthread_mutexattr_t attributes;
  ::pthread_mutexattr_init(&attributes);
  ::pthread_mutexattr_settype(&attributes, PTHREAD_MUTEX_ERRORCHECK);
  ::pthread_mutexattr_setrobust(&attributes, PTHREAD_MUTEX_ROBUST);
  pthread_mutex_t mutex;
  ::pthread_mutex_init(&mutex, &attributes);
  EXPECT_EQ(run_here([&] { EXPECT_EQ(::pthread_mutex_lock(&mutex), 0); }), kStandsIn);
  EXPECT_EQ(::pthread_mutex_unlock(&mutex), EPERM);
  EXPECT_FALSE(run_here([&] {
    EXPECT_EQ(::pthread_mutex_lock(&mutex), EDEADLK);
    kernel_thread();
    EXPECT_EQ(::pthread_mutex_unlock(&mutex), 0);
  }));
  ::pthread_mutex_destroy(&mutex);
  ::pthread_mutexattr_destroy(&attributes);
}

// The kernel restores both when a signal handler returns, and here another thread returns from it.
TEST(AppThread, KeepsItsSignalMaskAndItsAlternateStack) {
  const auto state = [] {
    sigset_t mask;
    stack_t stack{};
    ::pthread_sigmask(SIG_SETMASK, nullptr, &mask);
    ::sigaltstack(nullptr, &stack);
    return std::pair(::sigismember(&mask, SIGUSR2), stack.ss_sp);
  };
  static char ours[64 * 1024];  // as the event thread of a worker has one
  stack_t stack{};
  stack.ss_sp = ours;
  stack.ss_size = sizeof ours;
  ::sigaltstack(&stack, nullptr);
  thread().run([] { change_mask(SIG_BLOCK, SIGUSR2); });
  const auto here = state();
  std::pair<int, void*> before;
  std::pair<int, void*> within;
  std::pair<int, void*> after;
  thread().run([&] { before = state(); });
  EXPECT_FALSE(run_here([&] { within = state(); }));
  thread().run([&] { after = state(); });
  EXPECT_EQ(before.first, 1);
  EXPECT_NE(before.second, here.second);
  EXPECT_EQ(within, before);
  EXPECT_EQ(after, before);
  EXPECT_EQ(state(), here);
  stack.ss_flags = SS_DISABLE;
  ::sigaltstack(&stack, nullptr);
}

TEST(AppThread, KeepsItsModesOfArithmetic) {
  const auto third = [] {
    volatile double one = 1;
    volatile double three = 3;
    return one / three;
  };
  const double here = third();
  double there = 0;
  double called_back = 0;
  thread().run([] { ::fesetround(FE_UPWARD); });
  EXPECT_EQ(run_here([&] {
              thread().call_back([&] { called_back = third(); });
              there = third();
            }),
            kStandsIn);
  EXPECT_GT(there, here);
  EXPECT_EQ(called_back, here) << "the server has its own";
  EXPECT_EQ(third(), here);
  EXPECT_FALSE(run_here([&] {
    kernel_thread();
    there = third();
    ::fesetround(FE_TONEAREST);
  }));
  EXPECT_GT(there, here);
  thread().run([&] { there = third(); });
  EXPECT_EQ(there, here);
}

#if defined(__x86_64__)

std::uint64_t read_through_gs() {
  std::uint64_t value = 0;
  asm volatile("movq %%gs:0, %0" : "=r"(value));
  return value;
}

// Where some runtimes of other languages keep what is a thread's.
TEST(AppThread, KeepsItsBaseOfGs) {
  static const std::uint64_t ours = 1'234;
  std::uint64_t seen = 0;
  thread().run([] { ::syscall(SYS_arch_prctl, ARCH_SET_GS, &ours); });
  EXPECT_EQ(run_here([&] { seen = read_through_gs(); }), kStandsIn && test::has(Ability::kFsGsBase));
  EXPECT_EQ(seen, ours);
  EXPECT_FALSE(run_here([&] {
    kernel_thread();
    seen += read_through_gs();
    ::syscall(SYS_arch_prctl, ARCH_SET_GS, nullptr);
  }));
  EXPECT_EQ(seen, 2 * ours);
  EXPECT_EQ(run_here([] {}), kStandsIn);
  std::uint64_t here = 1;
  ::syscall(SYS_arch_prctl, ARCH_GET_GS, &here);
  EXPECT_EQ(here, 0U);
}

#endif

TEST(AppThread, CallsBackToTheEventThreadBeforeAndAfterASystemCall) {
  const pid_t here = kernel_thread();
  std::vector<pid_t> callers;
  const auto call = [&] {
    thread().call_back([&] {
      callers.push_back(kernel_thread());
      of_the_thread = 7;
    });
    EXPECT_EQ(of_the_thread, 0);
  };
  EXPECT_EQ(run_here([&] {
              call();
              call();
            }),
            kStandsIn);
  EXPECT_FALSE(run_here([&] {
    call();
    kernel_thread();
    call();
  }));
  EXPECT_EQ(callers, std::vector<pid_t>(4, here));
  EXPECT_EQ(of_the_thread, 7);
  of_the_thread = 0;
}

TEST(AppThread, ExceptionsAreCaughtWhereverTheyAreThrown) {
  const auto fail = [](const std::string& why) {
    try {
      throw std::runtime_error(why);
    } catch (const std::exception& error) {
      return why == error.what();
    }
  };
  thread().run([&] { EXPECT_TRUE(fail("first")); });  // which takes some memory
  EXPECT_EQ(run_here([&] { EXPECT_TRUE(fail("before")); }), kStandsIn);
  EXPECT_FALSE(run_here([&] {
    EXPECT_TRUE(fail("before"));
    kernel_thread();
    EXPECT_TRUE(fail("after"));
    try {
      kernel_thread();
      throw 1;
    } catch (int) {
      kernel_thread();
    }
  }));
}

int depth_of(int levels) {
  volatile char frame[1'000] = {};
  frame[0] = 1;
  return levels == 0 ? (kernel_thread() == thread().id() ? 0 : -1'000'000) : frame[0] + depth_of(levels - 1);
}

TEST(AppThread, HasAllOfItsStack) {
  int depth = 0;
  std::size_t bytes = 0;
  thread().run([&] { bytes = stack_of_thread().size(); });
  const int deep = static_cast<int>(bytes / 2'500);  // frames of a kilobyte and a bit
  EXPECT_FALSE(run_here([&] { depth = depth_of(deep); }));
  EXPECT_EQ(depth, deep);
}

TEST(AppThread, StartsThreadsAndProcessesFromWhereverItBegan) {
  pid_t other = 0;
  int status = 0;
  EXPECT_FALSE(run_here([&] { std::thread([&] { other = kernel_thread(); }).join(); }));
  EXPECT_NE(other, 0);
  EXPECT_NE(other, kernel_thread());
  EXPECT_FALSE(run_here([&] {
    const pid_t child = ::fork();
    if (child == 0) ::_exit(thread().is_current() ? 1 : 42);
    EXPECT_EQ(::waitpid(child, &status, 0), child);
  }));
  EXPECT_TRUE(WIFEXITED(status));
  EXPECT_EQ(WEXITSTATUS(status), 42);
}

TEST(AppThread, TakesTurnsForLong) {
  std::uint64_t done = 0;
  std::uint64_t quiet = 0;
  for (std::uint32_t i = 0; i < 20'000; ++i) {
    auto work = [&, i] {
      std::string text(i % 200, 'x');
      if (i % 3 == 0) kernel_thread();
      if (i % 5 == 0) thread().call_back([&] { text += 'y'; });
      if (i % 7 == 0) kernel_thread();
      done += text.size() - (i % 5 == 0 ? 1 : 0) == i % 200 ? 1 : 0;
    };
    if (i % 11 == 0)
      thread().run(work);
    else
      quiet += run_here(work) ? 1 : 0;
  }
  EXPECT_EQ(done, 20'000U);
  EXPECT_EQ(quiet > 10'000, kStandsIn);
}

TEST(AppThread, SaysWhyItCannotStandIn) {
  EXPECT_EQ(thread().obstacle().empty(), kStandsIn) << thread().obstacle();
}

// All of the above, in a process of its own.
TEST(AppThread, DoesAllThatOnAMachineWithoutFsGsBase) {
  const test::Without without("fsgsbase");
  const test::Finished done =
      test::run_program({"/proc/self/exe", "--gtest_filter=AppThread.*-*Without*", "--gtest_brief=1"});
  EXPECT_EQ(done.status, 0) << done.out << done.err;
}

}  // namespace

}  // namespace baton::app
