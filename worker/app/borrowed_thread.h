// Runs handlers on the event thread until they make a system call.
#pragma once

#include <signal.h>

#include <atomic>
#include <boost/context/fiber.hpp>
#include <cstddef>
#include <cstdint>
#include <string>

#include "worker/app/work.h"

namespace baton::app {

// Most handlers parse, look something up in memory, and format. To wake the app thread and to wait for it
// costs more than that. So the event thread stands in for the app thread:
//
//   1. It takes the app thread's stack and thread-local storage.
//   2. It has every system call refused (Syscall User Dispatch, prctl(2), Linux 5.11).
//   3. It calls the handler.
//   4. The first system call moves the handler, as it stands, to the app thread. That thread makes the call
//      and goes on from there.
//
// So a handler always has the app thread's descriptors, locks and identity, and cannot tell on which thread
// it began. Measured for the hello example with 64 connections: docs/benchmarks.md.
//
// What belongs to a thread is in its storage, except for what the kernel and the CPU keep:
//
// - Locks are the app thread's: they are taken in the name of the thread that the storage names. (A robust
//   mutex is given up when the app thread dies. SIGKILL is sent to the event thread, the first of its
//   process, before the app thread. That it also arrives there first is only likely.)
// - Alternate stack and signal mask cannot change without a system call.
// - The registers that outlast a call are carried over.
// - Not carried over (docs/modules.md): a module's own restartable sequences (rseq(2)), its rights to
//   protection keys of its own, the selectors of its own segments (modify_ldt(2)), and what the scheduler,
//   the memory policy and the clocks keep of a thread.
//
// Signals: if a module has its own handler for a signal like SIGSEGV, the event thread does not stand in.
// While the event thread stands in, neither thread gets other signals: the waiting app thread blocks them.
//
// The thread-local storage is at the base of FS. Where the CPU and the kernel let programs use the
// instructions for that (FSGSBASE), an instruction changes it; else the system call arch_prctl(2), twice a
// turn. Without the instructions, the base of GS takes a system call to change too, so only the app thread
// can have changed it. If it has, the event thread does not stand in.
//
// One per worker, between the two threads of an AppThread, which take turns. Needs x86-64, Linux 5.11,
// threads without shadow stacks, and a build without AddressSanitizer, which knows each thread by its stack:
// obstacle().
class BorrowedThread {
 public:
  BorrowedThread() = default;
  BorrowedThread(const BorrowedThread&) = delete;
  BorrowedThread& operator=(const BorrowedThread&) = delete;

  // App thread, once, from a function that it never leaves. Lends its thread-local storage, and its stack
  // from 64 KiB below this frame on.
  void lend();

  // Event thread, once, after lend() and after the handlers of fatal signals have been installed. Takes
  // SIGSYS for the process. A SIGSYS that has another cause goes to the handler that was there before.
  void prepare();

  // After prepare(). Why the event thread can never stand in here; empty if it can.
  [[nodiscard]] const std::string& obstacle() const { return obstacle_; }

  // App thread. Call each time that it has done work itself: it may have changed what possible() asks about.
  void look_at_thread();

  // Event thread. Whether it may stand in now.
  [[nodiscard]] bool possible();

  // Event thread, only if possible(). True: the work is done. False: the work is about to make a system call,
  // and the app thread has to call go_on().
  bool run(Work work);

  // App thread. Does the rest of the work that run() has left.
  void go_on();

  // From within the work of run(). Does another piece of work with the event thread's own storage and rights.
  void as_event_thread(Work work);

  // Any thread. Counts the begins and ends of run(), so it is odd while the event thread stands in. It says
  // nothing about the thread that asks.
  [[nodiscard]] std::uint32_t turns() const { return turns_.load(std::memory_order_relaxed); }
  [[nodiscard]] bool active() const { return turns() % 2 != 0; }

  // Within run(), or on the app thread. Does `fn()` with the registers as the last work has left them.
  template <typename Fn>
  void with_registers(Fn& fn) {
    if (!available_) return fn();
    registers_.load();
    fn();
    registers_.save();
  }

  // From a handler of a fatal signal. Returns whether the calling thread is the event thread and stands in.
  // If so, it may make system calls from here on. Async-signal-safe.
  static bool interrupt();

 private:
  // The registers of a thread that outlast a call: the modes of floating-point arithmetic, and the base of
  // GS.
  class Registers {
   public:
    void load() const;
    void save();

   private:
    std::uint32_t mxcsr_ = 0x1f80;       // as at the start of a process
    std::uint16_t x87_control_ = 0x37f;  // likewise
    std::uint64_t gs_ = 0;               // only with FSGSBASE
  };

  [[nodiscard]] std::string find_obstacle() const;
  void enter();
  void leave();
  static void on_system_call(int signal, siginfo_t* info, void* context);

  bool available_ = false;
  std::string obstacle_;
  bool looked_ = false;    // possible() has looked at the signal handlers since the app thread has worked
  bool like_ours_ = true;  // the app thread has the event thread's base of GS, where that is not carried over
  std::uint64_t gs_at_first_ = 0;
  boost::context::stack_context stack_;
  void* app_storage_ = nullptr;
  void* event_storage_ = nullptr;
  boost::context::fiber work_;    // where the handler stands
  boost::context::fiber caller_;  // where run() or go_on() stands
  Registers registers_;
  std::atomic<std::uint32_t> turns_{0};
};

}  // namespace baton::app
