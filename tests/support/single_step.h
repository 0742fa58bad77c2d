// A process that runs one instruction at a time (ptrace(2)): between any two of them a test can look at what
// it has done so far, and kill it.
#pragma once

#include <sys/types.h>

#include <functional>

namespace baton::test {

class SteppedProcess {
 public:
  // Forks. The child stops before it begins `work`, and ends after it.
  explicit SteppedProcess(const std::function<void()>& work);
  SteppedProcess(const SteppedProcess&) = delete;
  SteppedProcess& operator=(const SteppedProcess&) = delete;
  ~SteppedProcess() { kill(); }

  [[nodiscard]] pid_t pid() const { return pid_; }
  // Runs one instruction. False: the process has ended by itself. Throws if it dies in another way.
  [[nodiscard]] bool step();
  // Sends SIGKILL; returns when the process has ended. Does nothing if it had ended already.
  void kill();

 private:
  pid_t pid_ = -1;
  bool running_ = true;
};

}  // namespace baton::test
