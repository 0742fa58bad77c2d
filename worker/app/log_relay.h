// Writes log lines for threads that cannot.
#pragma once

#include <atomic>
#include <cstdint>
#include <mutex>
#include <thread>

#include "worker/app/work.h"

namespace baton::app {

// A thread in the descriptor table that the workers share. It works for threads that a module has made, one
// call at a time. Those threads cannot write: in their table the log's number is something else, and a
// descriptor of their own would still be the old file after a rotation. The event thread cannot write for
// them: it may be in a handler, or may wait, for a long time.
//
// One per worker that has modules. The event thread makes it. It is never destroyed, because the process ends
// by _exit(2).
class LogRelay {
 public:
  // Throws std::runtime_error.
  LogRelay();
  LogRelay(const LogRelay&) = delete;
  LogRelay& operator=(const LogRelay&) = delete;

  // Any thread of this process. Has the relay's thread do `fn()`, and returns when that is done. Not for
  // forked children, where that thread does not exist.
  template <typename Fn>
  void run(Fn&& fn) {
    ask(Work(fn));
  }

 private:
  void main();
  void ask(Work work);

  std::mutex mutex_;  // held by the thread whose work is done
  Work work_;
  std::atomic<std::uint32_t> asked_{0};  // 1: work_ is to be done; both sides wait on it
  std::thread thread_;
};

}  // namespace baton::app
