// The thread of a worker that runs the code of modules, with a descriptor table of its own.
#pragma once

#include <sched.h>
#include <sys/types.h>

#include <atomic>
#include <cstdint>
#include <string>
#include <thread>

#include "worker/app/borrowed_thread.h"
#include "worker/app/work.h"

namespace baton::app {

// Two threads that take turns: while one works, the other waits, so that what they share needs no lock. The
// event thread has the shared descriptor table and everything that is the server's; the app thread has the
// modules. One per worker, made by the event thread after the worker was cloned; never destroyed, as the
// process ends by _exit(2).
//
// A handler's double close, forgotten descriptors, record locks and children are all its own: the thread
// leaves the shared table, keeping 0 to 2, before any code of a module is loaded.
class AppThread {
 public:
  // Throws std::runtime_error.
  AppThread();
  AppThread(const AppThread&) = delete;
  AppThread& operator=(const AppThread&) = delete;

  // Event thread: has the app thread do `fn()`, and serves its calls until it is done.
  //
  // `near`: on this CPU, because it takes less time than waking another CPU would; it is set free again if it
  // does take longer (kNearMs). Measured for an empty function on two idle CPUs: 4 us there and back instead
  // of 30, and 4 us of processor time instead of 25. Threads that it makes inherit the CPU, which is why it
  // is for what is known to be short; forked children do not.
  //
  // `limit_ms`: how long it may take; 0: for ever. The master's watchdog enforces that, and only when there
  // is no master any more this does, by ending the process.
  template <typename Fn>
  void run(Fn&& fn, bool near = false, std::uint32_t limit_ms = 0) {
    limit_ms_.store(limit_ms, std::memory_order_relaxed);
    auto work = [&] { borrowed_.with_registers(fn); };
    hand_over(Work(work), near);
  }

  // The same, on the event thread itself for as long as `fn()` makes no system call (worker/app/borrowed_thread.h).
  // Returns whether it made none.
  template <typename Fn>
  bool run_here(Fn&& fn, bool near, std::uint32_t limit_ms) {
    limit_ms_.store(limit_ms, std::memory_order_relaxed);
    auto work = [&] { borrowed_.with_registers(fn); };
    return stand_in(Work(work), near);
  }

  // App thread, within run() or run_here(): has the event thread do `fn()` and waits for it. Ends the process
  // if it is a forked child.
  template <typename Fn>
  void call_back(Fn&& fn) {
    borrowed_.active() ? borrowed_.as_event_thread(Work(fn)) : ask(Work(fn));
  }

  // Any thread: whether the caller is the app thread of this very process: not another thread that a module
  // has made, nor a child that it has forked.
  [[nodiscard]] bool is_current() const;

  // Any thread: whether this is the process that has made it, not one that a module has forked.
  [[nodiscard]] bool is_home() const { return *home_ == 1; }

  // App thread, after code of a module has run: ends the process if it is a forked child, which has come back
  // from where the server's own code goes on.
  void stop_children() const;

  // Why run_here() is never other than run(); empty where it is.
  [[nodiscard]] const std::string& obstacle() const { return borrowed_.obstacle(); }

  // For signals meant for it; 0 before it runs.
  [[nodiscard]] pid_t id() const { return id_.load(std::memory_order_relaxed); }

 private:
  static constexpr int kNearMs = 1;
  static constexpr int kLookMs = 500;  // how often it is asked whether there is a master

  void look_for_master(std::uint64_t since_ns) const;
  void watch_stand_in();

  void move_near();
  void set_free();

  enum Turn : std::uint32_t { kEvents, kApp };

  void main();
  void hand_over(Work work, bool near);
  bool stand_in(Work work, bool near);
  void ask(Work work);
  void give_turn(Turn to);
  void await_turn(Turn mine);
  void await_events();

  std::atomic<std::uint32_t> turn_{kEvents};
  Work work_;            // for the app thread
  Work request_;         // of the app thread, for the event thread
  bool asking_ = false;  // request_ is to be done; else work_ is done
  // 1 in the process that has made it, 0 in what was forked from it: the kernel sees to that, and to look
  // costs nothing.
  const volatile std::uint32_t* home_;
  std::atomic<pid_t> id_{0};
  int leave_error_ = 0;
  pid_t master_;
  std::atomic<std::uint32_t> limit_ms_{0};
  BorrowedThread borrowed_;
  // App thread: which turn of the event thread's it has seen, and when first.
  std::uint32_t seen_turn_ = 0;
  std::uint64_t seen_since_ns_ = 0;
  cpu_set_t allowed_;  // CPUs of the worker
  int cpu_ = kAnyCpu;  // that the app thread is held to
  static constexpr int kAnyCpu = -1;
  std::thread thread_;
};

}  // namespace baton::app
