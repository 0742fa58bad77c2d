// A process that goes on by one instruction at a time: a test can look at what it has done so far, and kill
// it, between any two of them (ptrace(2)).
#pragma once

#include <sys/types.h>

#include <functional>

namespace baton::test {

class SteppedProcess {
 public:
  // Forks; the child stops before it begins with `work`, and ends after it.
  explicit SteppedProcess(const std::function<void()>& work);
  SteppedProcess(const SteppedProcess&) = delete;
  SteppedProcess& operator=(const SteppedProcess&) = delete;
  ~SteppedProcess() { kill(); }

  [[nodiscard]] pid_t pid() const { return pid_; }
  // False: it has ended by itself. Throws when it dies of anything else.
  [[nodiscard]] bool step();
  // With SIGKILL; returns when it has gone. Does nothing when it had.
  void kill();

 private:
  pid_t pid_ = -1;
  bool running_ = true;
};

}  // namespace baton::test
