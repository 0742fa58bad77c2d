#include "tests/support/single_step.h"

#include <signal.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <stdexcept>
#include <string>

namespace baton::test {

SteppedProcess::SteppedProcess(const std::function<void()>& work) : pid_(::fork()) {
  if (pid_ < 0) throw std::runtime_error(std::string("fork: ") + std::strerror(errno));
  if (pid_ == 0) {
    ::ptrace(PTRACE_TRACEME, 0, nullptr, nullptr);
    ::raise(SIGSTOP);
    work();
    ::_exit(0);
  }
  int status = 0;
  if (::waitpid(pid_, &status, 0) != pid_ || !WIFSTOPPED(status))
    throw std::runtime_error("the process cannot be traced");
}

bool SteppedProcess::step() {
  int status = 0;
  if (::ptrace(PTRACE_SINGLESTEP, pid_, nullptr, nullptr) != 0 || ::waitpid(pid_, &status, 0) != pid_)
    throw std::runtime_error(std::string("ptrace: ") + std::strerror(errno));
  if (WIFSTOPPED(status) && WSTOPSIG(status) == SIGTRAP) return true;
  running_ = WIFSTOPPED(status);
  if (WIFEXITED(status) && WEXITSTATUS(status) == 0) return false;
  throw std::runtime_error("the process has failed: wait status " + std::to_string(status));
}

void SteppedProcess::kill() {
  if (!running_) return;
  running_ = false;
  ::kill(pid_, SIGKILL);
  ::waitpid(pid_, nullptr, 0);
}

}  // namespace baton::test
