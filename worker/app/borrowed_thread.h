// Runs handlers on the event thread, for as long as they make no system call.
#pragma once

#include <signal.h>

#include <atomic>
#include <boost/context/fiber.hpp>
#include <cstddef>
#include <cstdint>
#include <string>

#include "worker/app/work.h"

namespace baton::app {

// To wake the app thread and to wait for it costs more than most handlers do: they parse, look something up
// in memory, and format. So the event thread stands in for it. It takes the app thread's stack and its
// thread-local storage, has every system call refused (Syscall User Dispatch, prctl(2), Linux 5.11), and
// calls the handler. The first system call that the handler makes takes it, as it stands, to the app thread,
// which makes that call and goes on from there. So a handler never has descriptors, locks or an identity but
// the app thread's, and cannot tell what it began on.
//
// Measured for the hello example with 64 connections: docs/benchmarks.md.
//
// What belongs to a thread is in its storage, but for what the kernel and the CPU keep. Locks are the app
// thread's all the same: they are taken in the name of the thread that the storage names. (A robust mutex is
// given up when the app thread dies. SIGKILL is sent to the event thread, the first of its process, before
// it; that it also arrives first is likely, and no more.) Alternate stack and signal mask take a system call
// to change. The registers that outlast a call are carried over. Not carried over are restartable sequences
// of a module's own (rseq(2)), its rights to protection keys of its own, the selectors of segments of its own
// (modify_ldt(2)), and what the scheduler, the memory policy and the clocks keep of a thread:
// docs/modules.md.
//
// Where a module has a handler of its own for a signal like SIGSEGV, the event thread does not stand in.
// Other signals come to neither thread while it does: the app thread, waiting, blocks them.
//
// The base of FS, which is where the thread-local storage is, changes by an instruction where the CPU and the
// kernel let programs use those (FSGSBASE); else by a system call, arch_prctl(2), twice a turn. There the
// base of GS takes a system call to change, too, so only the app thread can have changed it: where it has,
// the event thread does not stand in.
//
// One per worker, between the two threads of an AppThread, which take turns. Needs x86-64 and the kernel's
// part, threads without shadow stacks, and a build without AddressSanitizer, which knows each thread by its
// stack: see obstacle().
class BorrowedThread {
 public:
  BorrowedThread() = default;
  BorrowedThread(const BorrowedThread&) = delete;
  BorrowedThread& operator=(const BorrowedThread&) = delete;

  // App thread, once, from the frame below which it never goes while work that run() has left goes on: lends
  // what the event thread needs.
  void lend();

  // Event thread, once, after that and after the handlers of fatal signals have been installed. Takes SIGSYS
  // for the process; what is not for it goes to the handler before it.
  void prepare();

  // After prepare(): why it is never possible here. Empty where it is.
  [[nodiscard]] const std::string& obstacle() const { return obstacle_; }

  // App thread, each time that it has done some work itself.
  void look_at_thread();

  // Event thread: whether it may stand in now.
  [[nodiscard]] bool possible();

  // Event thread, if it is possible. True: the work is done. False: it is about to make a system call, and
  // the app thread has to call go_on().
  bool run(Work work);

  // App thread: does the rest of it.
  void go_on();

  // Within run(), from the work: does it as the event thread that this is.
  void as_event_thread(Work work);

  // Odd while run() is at work; counts up with every begin and end. It says whether the event thread stands
  // in, and nothing about the thread that asks.
  [[nodiscard]] std::uint32_t turns() const { return turns_.load(std::memory_order_relaxed); }
  [[nodiscard]] bool active() const { return turns() % 2 != 0; }

  // Within run(), or on the app thread: does `fn()` with the registers as the last one has left them.
  template <typename Fn>
  void with_registers(Fn& fn) {
    if (!available_) return fn();
    registers_.load();
    fn();
    registers_.save();
  }

  // From a handler of a fatal signal: if the calling thread is the event thread, standing in, it may make
  // system calls from here on. Returns whether it is. Async-signal-safe.
  static bool interrupt();

 private:
  // What is a thread's and outlasts a call: the modes of floating-point arithmetic, and the base of GS.
  class Registers {
   public:
    void load() const;
    void save();

   private:
    std::uint32_t mxcsr_ = 0x1f80;  // as the kernel begins a process
    std::uint16_t x87_control_ = 0x37f;
    std::uint64_t gs_ = 0;  // only with FSGSBASE
  };

  [[nodiscard]] std::string find_obstacle() const;
  void enter();
  void leave();
  static void on_system_call(int signal, siginfo_t* info, void* context);

  bool available_ = false;
  std::string obstacle_;
  bool looked_ = false;    // at the handlers of signals, since the app thread has worked
  bool like_ours_ = true;  // the app thread, in what is not carried over
  std::uint64_t gs_at_first_ = 0;
  boost::context::stack_context stack_;
  void* app_storage_ = nullptr;
  void* event_storage_ = nullptr;
  boost::context::fiber work_;    // begun; where the handler stands
  boost::context::fiber caller_;  // where run() or go_on() stands
  Registers registers_;
  std::atomic<std::uint32_t> turns_{0};
};

}  // namespace baton::app
