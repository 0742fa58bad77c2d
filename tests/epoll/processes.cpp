#include "tests/epoll/processes.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <linux/futex.h>
#include <linux/sched.h>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <climits>
#include <csignal>
#include <cstdlib>
#include <ctime>
#include <string>
#include <string_view>
#include <system_error>

namespace baton::facts {
namespace {

constexpr int kOrphaned = 97;

struct RobustList {
  void* head = nullptr;
  std::size_t size = 0;
};

// CLONE_VM is absent: the child runs on a copy of this stack, as after fork().
pid_t clone_sharing_table(Identity identity, int& pidfd) {
  RobustList robust;
  ::syscall(SYS_get_robust_list, 0, &robust.head, &robust.size);
  void* thread_id = nullptr;
  clone_args args{};
  args.flags = CLONE_FILES | CLONE_PIDFD;
  args.pidfd = reinterpret_cast<std::uintptr_t>(&pidfd);
  args.exit_signal = SIGCHLD;
  if (identity != Identity::kStale) {
    if (::prctl(PR_GET_TID_ADDRESS, &thread_id) != 0) return -1;
    args.flags |= CLONE_CHILD_SETTID | CLONE_CHILD_CLEARTID;
    args.child_tid = reinterpret_cast<std::uintptr_t>(thread_id);
  }
  const auto pid = static_cast<pid_t>(::syscall(SYS_clone3, &args, sizeof args));
  if (pid == 0 && identity == Identity::kThreadAndList) {
    ::syscall(SYS_set_robust_list, robust.head, robust.size);
  }
  return pid;
}

pid_t start(Table table, Identity identity, int& pidfd) {
  if (table == Table::kShared) return clone_sharing_table(identity, pidfd);
  const pid_t pid = ::fork();
  if (pid > 0) pidfd = static_cast<int>(::syscall(SYS_pidfd_open, pid, 0));
  return pid;
}

}  // namespace

bool futex_await_change(std::atomic<std::uint32_t>& word, std::uint32_t value) {
  const auto deadline = std::chrono::steady_clock::now() + kGuard;
  while (word.load(std::memory_order_acquire) == value) {
    if (std::chrono::steady_clock::now() > deadline) return false;
    const timespec recheck{.tv_sec = 1, .tv_nsec = 0};
    ::syscall(SYS_futex, &word, FUTEX_WAIT, value, &recheck, nullptr, 0);
  }
  return true;
}

void futex_wake_all(std::atomic<std::uint32_t>& word) {
  ::syscall(SYS_futex, &word, FUTEX_WAKE, INT_MAX, nullptr, nullptr, 0);
}

char process_state(pid_t pid) {
  const UniqueFd stat(::open(("/proc/" + std::to_string(pid) + "/stat").c_str(), O_RDONLY | O_CLOEXEC));
  std::array<char, 512> text{};
  const ssize_t size = ::read(stat.get(), text.data(), text.size());
  if (size <= 0) return 0;
  const std::string_view line(text.data(), static_cast<std::size_t>(size));
  const auto name_end = line.rfind(')');  // the program's name may contain anything
  return name_end != std::string_view::npos && name_end + 2 < line.size() ? line[name_end + 2] : '\0';
}

Child::Child(Table table, const std::function<int()>& body, Identity identity) {
  const pid_t parent = ::getpid();
  int pidfd = -1;
  pid_ = start(table, identity, pidfd);
  if (pid_ == 0) {
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    ::_exit(::getppid() == parent ? body() : kOrphaned);
  }
  if (pid_ < 0) throw std::system_error(errno, std::generic_category(), "cannot start a process");
  pidfd_.reset(pidfd);
}

Child::~Child() {
  if (pid_ > 0) kill();
}

int Child::wait() {
  if (pid_ <= 0) return status_;
  pollfd ended{.fd = pidfd_.get(), .events = POLLIN, .revents = 0};
  if (::poll(&ended, 1, kGuardMs) != 1) {
    ADD_FAILURE() << "process " << pid_ << " did not end";
    ::kill(pid_, SIGKILL);
  }
  int status = 0;
  EXPECT_EQ(::waitpid(pid_, &status, 0), pid_);
  pid_ = -1;
  status_ = WIFSIGNALED(status) ? -WTERMSIG(status) : WEXITSTATUS(status);
  return status_;
}

int Child::kill() {
  if (pid_ > 0) ::kill(pid_, SIGKILL);
  return wait();
}

Actor::Actor(Table table)
    : memory_(std::make_unique<Shared<Mailbox>>()),
      box_(memory_->get()),
      child_(table, [this] { return serve(*box_); }) {}

int Actor::serve(Mailbox& box) {
  while (true) {
    const auto phase = box.phase.load(std::memory_order_acquire);
    if (phase != kPosted) {
      // An idle actor has no guard of its own: it ends with its parent.
      static_cast<void>(futex_await_change(box.phase, phase));
      continue;
    }
    box.phase.store(kRunning, std::memory_order_release);
    futex_wake_all(box.phase);
    box.result = box.invoke(box.closure.data());
    box.phase.store(kDone, std::memory_order_release);
    futex_wake_all(box.phase);
  }
}

void Actor::post() {
  ASSERT_EQ(box_->phase.load(), kIdle) << "the actor is busy";
  box_->phase.store(kPosted, std::memory_order_release);
  futex_wake_all(box_->phase);
}

bool Actor::asleep() const {
  return box_->phase.load(std::memory_order_acquire) == kRunning && process_state(child_.pid()) == 'S' &&
         box_->phase.load(std::memory_order_acquire) == kRunning;
}

bool Actor::falls_asleep() {
  return eventually([this] { return asleep() || box_->phase.load() == kDone; }) && asleep();
}

std::int64_t Actor::finish() {
  for (auto phase = box_->phase.load(); phase != kDone; phase = box_->phase.load(std::memory_order_acquire)) {
    if (!futex_await_change(box_->phase, phase)) {
      ADD_FAILURE() << "the actor's call did not return";
      return INT64_MIN;
    }
  }
  const std::int64_t result = box_->result;
  box_->phase.store(kIdle, std::memory_order_release);
  return result;
}

}  // namespace baton::facts
