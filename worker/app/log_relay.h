// Lines for the log from threads that cannot write them.
#pragma once

#include <atomic>
#include <cstdint>
#include <mutex>
#include <thread>

#include "worker/app/work.h"

namespace baton::app {

// A thread in the descriptor table that the workers share, for threads that a module has made: in theirs, the
// log's number is something else, and a descriptor of the log's own would still be the old file after a
// rotation. It does nothing but what they ask of it, one at a time. The event thread is no help to them: it
// may be in a handler, or be waiting, for long.
//
// One per worker that has modules, made by the event thread; never destroyed, as the process ends by
// _exit(2).
class LogRelay {
 public:
  // Throws std::runtime_error.
  LogRelay();
  LogRelay(const LogRelay&) = delete;
  LogRelay& operator=(const LogRelay&) = delete;

  // Any thread of this process: `fn()` has been done when this returns. Not for forked children, in which the
  // relay's thread does not exist.
  template <typename Fn>
  void run(Fn&& fn) {
    ask(Work(fn));
  }

 private:
  void main();
  void ask(Work work);

  std::mutex mutex_;  // held by the one whose work it is
  Work work_;
  std::atomic<std::uint32_t> asked_{0};  // 1: work_ is to be done; a futex of both sides
  std::thread thread_;
};

}  // namespace baton::app
