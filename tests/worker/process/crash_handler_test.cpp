#include "worker/process/crash_handler.h"

#include <dlfcn.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <functional>
#include <new>

namespace baton {
namespace {

int* volatile nowhere = nullptr;
volatile bool forever = true;

// A crash, whatever the compiler adds.
__attribute__((noinline, no_sanitize("undefined"))) void write_nowhere() {
  *nowhere = 1;
}

// Each frame needs the one before it, so none can be left out.
__attribute__((noinline)) int overflow(int depth) {
  volatile char room[1024];
  room[depth % 1024] = static_cast<char>(depth);
  return forever ? overflow(depth + 1) + room[depth % 1024] : 0;
}

class CrashHandlerTest : public testing::Test {
 protected:
  CrashHandlerTest() {
    void* const memory =
        ::mmap(nullptr, sizeof(CrashRecord), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    record_ = new (memory) CrashRecord;
  }
  ~CrashHandlerTest() override { ::munmap(record_, sizeof(CrashRecord)); }

  // What waitpid(2) says of a process that did this after installing the handler. No sanitizer is to take the
  // signal first, so the default comes before it.
  int status_of(const std::function<void()>& crash) {
    const pid_t pid = ::fork();
    if (pid == 0) {
      const rlimit no_core{0, 0};
      ::setrlimit(RLIMIT_CORE, &no_core);
      for (const int signal : {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT, SIGTRAP, SIGSYS})
        ::signal(signal, SIG_DFL);
      install_crash_handler(*record_);
      crash();
      ::_exit(0);
    }
    int status = 0;
    EXPECT_EQ(::waitpid(pid, &status, 0), pid);
    return status;
  }
  [[nodiscard]] bool has_frame_in(const void* function) const {
    // Somewhere in the first few hundred bytes of it: these functions are small.
    const auto begin = reinterpret_cast<std::uint64_t>(function);
    for (std::uint32_t i = 0; i < record_->frame_count.load(); ++i) {
      if (record_->frames[i] >= begin && record_->frames[i] < begin + 400) return true;
    }
    return false;
  }

  CrashRecord* record_;
};

TEST_F(CrashHandlerTest, AFaultIsRecordedAndEndsTheProcessByItsSignal) {
  const int status = status_of(write_nowhere);
  ASSERT_TRUE(WIFSIGNALED(status));
  EXPECT_EQ(WTERMSIG(status), SIGSEGV);
  EXPECT_EQ(record_->signal, SIGSEGV);
  EXPECT_EQ(record_->code, SEGV_MAPERR);
  EXPECT_EQ(record_->address, 0U);
  EXPECT_GT(record_->frame_count.load(), 3U) << "the callers";
  const auto begin = reinterpret_cast<std::uint64_t>(&write_nowhere);
  EXPECT_GE(record_->frames[0], begin) << "where it struck comes first, not the handler";
  EXPECT_LT(record_->frames[0], begin + 400);
}

TEST_F(CrashHandlerTest, AStackOverflowIsRecorded) {
  const int status = status_of([] { ::_exit(overflow(0) == 7 ? 1 : 2); });
  ASSERT_TRUE(WIFSIGNALED(status));
  EXPECT_EQ(WTERMSIG(status), SIGSEGV);
  EXPECT_EQ(record_->frame_count.load(), CrashRecord::kMaxFrames);
  EXPECT_TRUE(has_frame_in(reinterpret_cast<const void*>(&overflow)));
}

TEST_F(CrashHandlerTest, AbortIsRecordedAsItsOwnDoing) {
  const int status = status_of([] { std::abort(); });
  ASSERT_TRUE(WIFSIGNALED(status));
  EXPECT_EQ(WTERMSIG(status), SIGABRT);
  EXPECT_EQ(record_->signal, SIGABRT);
  EXPECT_LE(record_->code, 0);
  EXPECT_GT(record_->frame_count.load(), 3U);
}

TEST_F(CrashHandlerTest, TheOtherFatalSignalsAreRecordedWithTheirSender) {
  for (const int signal : {SIGBUS, SIGFPE, SIGILL, SIGTRAP, SIGSYS}) {
    record_->frame_count.store(0);
    pid_t pid = -1;
    void* const shared =
        ::mmap(nullptr, sizeof(pid_t), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    const int status = status_of([&] {
      *static_cast<pid_t*>(shared) = ::getpid();
      ::kill(::getpid(), signal);
    });
    pid = *static_cast<pid_t*>(shared);
    ::munmap(shared, sizeof(pid_t));
    ASSERT_TRUE(WIFSIGNALED(status));
    EXPECT_EQ(WTERMSIG(status), signal);
    EXPECT_EQ(record_->signal, signal);
    EXPECT_EQ(record_->address, static_cast<std::uint64_t>(pid));
    EXPECT_GT(record_->frame_count.load(), 0U);
  }
}

TEST_F(CrashHandlerTest, AHandlerThatWasThereBeforeIsCalledAfterwards) {
  const int status = status_of([this] {
    struct sigaction action {};
    action.sa_handler = [](int) { ::_exit(42); };
    ::sigaction(SIGSEGV, &action, nullptr);
    install_crash_handler(*record_);
    write_nowhere();
  });
  ASSERT_TRUE(WIFEXITED(status));
  EXPECT_EQ(WEXITSTATUS(status), 42);
  EXPECT_GT(record_->frame_count.load(), 0U);
}

}  // namespace
}  // namespace baton
