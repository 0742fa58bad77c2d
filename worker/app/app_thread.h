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

// The event thread has the shared descriptor table and everything that is the server's. The app thread has
// the modules. Before any code of a module is loaded, it leaves the shared table; it keeps descriptors 0 to 2
// only. So a handler's double close, forgotten descriptors, record locks and children harm no other worker.
//
// Thread and process safety
//
// (1) One per worker. The event thread makes it after the worker was cloned. It is never destroyed, because
//     the process ends by _exit(2).
// (2) The two threads take turns: while one works, the other waits. So what they share needs no lock.
// (3) A child that a module forks has no event thread. It ends when it comes back from the module's code.
class AppThread {
 public:
  // Throws std::runtime_error.
  AppThread();
  AppThread(const AppThread&) = delete;
  AppThread& operator=(const AppThread&) = delete;

  // Event thread. Has the app thread do `fn()`, and serves the app thread's call_back() until that is done.
  //
  // `near`: the app thread runs on the CPU of the event thread, which takes less time than to wake another
  // CPU. If `fn()` takes longer than kNearMs, the thread may use all CPUs again. Measured for an empty
  // function on two idle CPUs: 4 us there and back instead of 30, and 4 us of processor time instead of 25.
  // Threads that `fn()` makes inherit the CPU, so this is for functions that are known to be short. Forked
  // children do not inherit it.
  //
  // `limit_ms`: how long `fn()` may take, in milliseconds; 0: for ever. The master's watchdog enforces that.
  // If the master has died, this class does, by ending the process.
  template <typename Fn>
  void run(Fn&& fn, bool near = false, std::uint32_t limit_ms = 0) {
    limit_ms_.store(limit_ms, std::memory_order_relaxed);
    auto work = [&] { borrowed_.with_registers(fn); };
    hand_over(Work(work), near);
  }

  // The same, but `fn()` runs on the event thread itself until it makes a system call
  // (worker/app/borrowed_thread.h). Returns whether it made none.
  template <typename Fn>
  bool run_here(Fn&& fn, bool near, std::uint32_t limit_ms) {
    limit_ms_.store(limit_ms, std::memory_order_relaxed);
    auto work = [&] { borrowed_.with_registers(fn); };
    return stand_in(Work(work), near);
  }

  // App thread, within run() or run_here(). Has the event thread do `fn()`, and waits for that. Ends the
  // process if it is a forked child.
  template <typename Fn>
  void call_back(Fn&& fn) {
    borrowed_.active() ? borrowed_.as_event_thread(Work(fn)) : ask(Work(fn));
  }

  // Any thread. Whether the caller is the app thread of this very process, and neither another thread that a
  // module has made nor a forked child.
  [[nodiscard]] bool is_current() const;

  // Any thread. Whether this process is the worker itself, and no child that a module has forked.
  [[nodiscard]] bool is_home() const { return *home_ == 1; }

  // App thread, after code of a module has run. Ends the process if it is a forked child: the server's own
  // code must not go on in it.
  void stop_children() const;

  // Why run_here() can never use the event thread; empty if it can.
  [[nodiscard]] const std::string& obstacle() const { return borrowed_.obstacle(); }

  // The app thread's id, for signals to it alone; 0 before it runs.
  [[nodiscard]] pid_t id() const { return id_.load(std::memory_order_relaxed); }

 private:
  static constexpr int kNearMs = 1;
  static constexpr int kLookMs = 500;  // how often a waiting thread looks whether there is a master

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
  Work work_;            // from the event thread, for the app thread
  Work request_;         // from the app thread, for the event thread
  bool asking_ = false;  // the app thread has given the turn back to ask for request_; false: work_ is done
  // 1 in the worker, 0 in processes that were forked from it. The kernel clears it at fork, and to look costs
  // nothing.
  const volatile std::uint32_t* home_;
  std::atomic<pid_t> id_{0};
  int leave_error_ = 0;
  pid_t master_;
  std::atomic<std::uint32_t> limit_ms_{0};
  BorrowedThread borrowed_;
  // App thread. The BorrowedThread::turns() that it has seen last, and when first.
  std::uint32_t seen_turn_ = 0;
  std::uint64_t seen_since_ns_ = 0;
  cpu_set_t allowed_;  // CPUs of the worker
  int cpu_ = kAnyCpu;  // CPU that the app thread is held to
  static constexpr int kAnyCpu = -1;
  std::thread thread_;
};

}  // namespace baton::app
