#include "worker/app/log_relay.h"

#include <pthread.h>
#include <signal.h>
#include <sys/prctl.h>

#include <stdexcept>
#include <string>
#include <system_error>

#include "worker/process/signals.h"

namespace baton::app {

LogRelay::LogRelay() {
  // The new thread inherits this mask. It blocks signals, because a module's signal handler on it would run
  // in the shared descriptor table.
  const sigset_t all = everything_but_faults();
  sigset_t before;
  ::pthread_sigmask(SIG_BLOCK, &all, &before);
  try {
    thread_ = std::thread([this] { main(); });
  } catch (const std::system_error& error) {
    ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
    throw std::runtime_error(std::string("cannot start the thread that logs for modules: ") + error.what());
  }
  ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
}

void LogRelay::main() {
  ::prctl(PR_SET_NAME, "baton: log");
  while (true) {
    asked_.wait(0, std::memory_order_acquire);
    work_();
    asked_.store(0, std::memory_order_release);
    asked_.notify_all();
  }
}

void LogRelay::ask(Work work) {
  const std::lock_guard lock(mutex_);
  work_ = work;
  asked_.store(1, std::memory_order_release);
  asked_.notify_all();
  asked_.wait(1, std::memory_order_acquire);
}

}  // namespace baton::app
