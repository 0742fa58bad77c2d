// Processes for the kernel experiments: forked ones, and clones that share the descriptor table as baton's
// workers do. They share counters through anonymous shared memory. They end only with _exit(), so neither
// destructors nor the test framework run twice. Every wait is for a state, never for a time; a guard of 30 s
// turns a state that never comes into a failure.
#pragma once

#include <sched.h>
#include <sys/mman.h>
#include <sys/types.h>

#include <array>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <functional>
#include <memory>
#include <new>
#include <type_traits>
#include <utility>

#include "common/base/unique_fd.h"

namespace baton::facts {

inline constexpr std::chrono::seconds kGuard{30};
inline constexpr int kGuardMs = 30'000;

// Returns false if `state_holds` stays false until the guard expires.
template <class Predicate>
[[nodiscard]] bool eventually(Predicate state_holds) {
  const auto deadline = std::chrono::steady_clock::now() + kGuard;
  while (!state_holds()) {
    if (std::chrono::steady_clock::now() > deadline) return false;
    ::sched_yield();
  }
  return true;
}

// One T, at the same address in this process and in every process started later.
template <class T>
class Shared {
 public:
  Shared() : memory_(::mmap(nullptr, sizeof(T), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0)) {
    if (memory_ == MAP_FAILED) throw std::bad_alloc();
    object_ = std::construct_at(static_cast<T*>(memory_));
  }
  Shared(const Shared&) = delete;
  Shared& operator=(const Shared&) = delete;
  ~Shared() { ::munmap(memory_, sizeof(T)); }
  T* operator->() const { return object_; }
  T& operator*() const { return *object_; }
  [[nodiscard]] T* get() const { return object_; }

 private:
  static_assert(std::is_trivially_destructible_v<T>, "it may outlive any of the processes that use it");
  void* memory_;
  T* object_;
};

// Sleeps until `word` differs from `value`. False if the guard expires. (std::atomic::wait uses
// process-private futexes, which another process cannot wake.)
[[nodiscard]] bool futex_await_change(std::atomic<std::uint32_t>& word, std::uint32_t value);
void futex_wake_all(std::atomic<std::uint32_t>& word);

// The process's state letter from /proc/PID/stat ('S' asleep, 'R' running or woken); 0 if it is gone.
[[nodiscard]] char process_state(pid_t pid);

// The child's descriptor table: a copy (fork) or the parent's own (clone3 with CLONE_FILES).
enum class Table { kCopy, kShared };

// What a raw clone3 child does about the thread identity that the C library caches (docs/epoll.md).
enum class Identity {
  kStale,         // nothing: the library still takes it for the parent's thread
  kThreadId,      // CLONE_CHILD_SETTID at PR_GET_TID_ADDRESS, no robust list
  kThreadAndList  // and set_robust_list: what baton does
};

// A child process. The destructor kills and reaps it. Movable; only the process that started it may own it.
class Child {
 public:
  Child(Table table, const std::function<int()>& body, Identity identity = Identity::kThreadAndList);
  Child(Child&& other) noexcept
      : pid_(std::exchange(other.pid_, -1)), pidfd_(std::move(other.pidfd_)), status_(other.status_) {}
  Child& operator=(Child&&) = delete;
  Child(const Child&) = delete;
  Child& operator=(const Child&) = delete;
  ~Child();

  [[nodiscard]] pid_t pid() const { return pid_; }
  // Reaps the process. Returns its exit status, or minus the signal that ended it. Fails the test if the
  // guard expires.
  int wait();
  // SIGKILL, then wait().
  int kill();

 private:
  pid_t pid_ = -1;
  UniqueFd pidfd_;
  int status_ = 0;
};

// A process that runs one call at a time for the test, so that an interleaving of several processes reads as
// a script. Calls are closures that capture by value: numbers, and pointers to shared memory or to objects
// that were made before the actor, which has its own copy of these. With Table::kCopy descriptors must be
// made before the actor, too.
class Actor {
 public:
  explicit Actor(Table table);

  template <class Call>
  void start(Call call) {
    static_assert(std::is_trivially_copyable_v<Call> && sizeof(Call) <= sizeof(Mailbox::closure));
    std::memcpy(box_->closure.data(), &call, sizeof(Call));
    box_->invoke = [](void* closure) -> std::int64_t { return (*static_cast<Call*>(closure))(); };
    post();
  }
  // Waits until the call sleeps in the kernel.
  [[nodiscard]] bool falls_asleep();
  // True while the call sleeps. A process that has been woken is no longer asleep, even before it runs.
  [[nodiscard]] bool asleep() const;
  // Waits for the call's result. Fails the test if the guard expires.
  std::int64_t finish();
  template <class Call>
  std::int64_t run(Call call) {
    start(call);
    return finish();
  }
  // Kills the process with SIGKILL, wherever it is; returns minus the signal.
  int kill() { return child_.kill(); }
  [[nodiscard]] pid_t pid() const { return child_.pid(); }

 private:
  enum Phase : std::uint32_t { kIdle, kPosted, kRunning, kDone };
  struct Mailbox {
    std::atomic<std::uint32_t> phase{kIdle};  // hands the other fields over: test -> actor -> test
    std::int64_t result = 0;
    std::int64_t (*invoke)(void*) = nullptr;
    alignas(std::max_align_t) std::array<std::byte, 64> closure{};
  };
  static int serve(Mailbox& box);
  void post();

  std::unique_ptr<Shared<Mailbox>> memory_;
  Mailbox* box_;
  Child child_;
};

}  // namespace baton::facts
