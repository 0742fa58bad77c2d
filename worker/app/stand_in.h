// Runs handlers on the event thread, for as long as they make no system call.
#pragma once

#include <signal.h>

#include <atomic>
#include <boost/context/fiber.hpp>
#include <cstddef>
#include <cstdint>

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
// What belongs to a thread is in its storage, but for a few things that the kernel and the CPU keep. Signal
// mask, alternate stack and robust mutexes are the app thread's all the same: the first two need system
// calls, and a mutex is locked in the name of the thread that the storage names. (SIGKILL reaches the event
// thread, the first of its process, before the app thread can give them up.) The modes of floating-point
// arithmetic are carried over. Restartable sequences of a module's own (rseq(2)) and its rights to protection
// keys of its own are not: docs/modules.md says so.
//
// One per worker, between the two threads of an AppThread, which take turns. Needs x86-64 with FSGSBASE;
// where that or the kernel's part is missing, and in a build with AddressSanitizer, which knows each thread
// by its stack, it is not available.
class StandIn {
 public:
  StandIn() = default;
  StandIn(const StandIn&) = delete;
  StandIn& operator=(const StandIn&) = delete;

  // App thread, once, from the frame below which it never goes while work that run() has left goes on: lends
  // what the event thread needs.
  void lend();

  // Event thread, once, after that. Takes SIGSYS for the process; what is not for it goes to the handler
  // before it. False: not available.
  bool prepare();

  // Event thread. True: the work is done. False: it is about to make a system call, and the app thread has to
  // call go_on().
  bool run(Work work);

  // App thread: does the rest of it.
  void go_on();

  // Within run(), from the work: does it as the event thread that this is.
  void as_event_thread(Work work);

  // Odd while run() is at work; counts up with every begin and end. Any thread may read it.
  [[nodiscard]] std::uint32_t turns() const { return turns_.load(std::memory_order_relaxed); }
  [[nodiscard]] bool active() const { return turns() % 2 != 0; }

  // Within run(), or on the app thread: does `fn()` with the modes of floating-point arithmetic that the last
  // one has left.
  template <typename Fn>
  void with_modes(Fn& fn) {
    modes_.load();
    fn();
    modes_.save();
  }

  // From a handler of a fatal signal: it may make system calls from here on. Returns whether the event thread
  // was standing in. Async-signal-safe.
  static bool interrupt();

 private:
  class ArithmeticModes {
   public:
    void load() const;
    void save();

   private:
    std::uint32_t sse_ = 0x1f80;  // both as the kernel begins a process
    std::uint16_t x87_ = 0x37f;
  };

  void enter();
  void leave();
  static void on_system_call(int signal, siginfo_t* info, void* context);

  char* stack_begin_ = nullptr;
  char* stack_end_ = nullptr;
  void* app_storage_ = nullptr;
  void* event_storage_ = nullptr;
  boost::context::fiber work_;    // begun; where the handler stands
  boost::context::fiber caller_;  // where run() or go_on() stands
  ArithmeticModes modes_;
  std::atomic<std::uint32_t> turns_{0};
};

}  // namespace baton::app
