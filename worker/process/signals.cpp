#include "worker/process/signals.h"

#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <iterator>

#include "worker/process/crash_handler.h"

namespace baton {

namespace {

std::atomic<bool> asked{false};

void ask_to_retire(int) {
  asked.store(true, std::memory_order_relaxed);
  // If another thread has taken the signal, it is sent on to the event thread, so that its wait ends.
  const auto process = ::syscall(SYS_getpid);
  if (::syscall(SYS_gettid) != process) ::syscall(SYS_tgkill, process, process, SIGTERM);
}

void do_nothing(int) {}

bool is_ours(int signal) {
  struct sigaction now {};
  return ::sigaction(signal, nullptr, &now) == 0 &&
         (now.sa_handler == do_nothing || now.sa_handler == ask_to_retire);
}

// Calls `fn` for each signal that would end or stop the process by default, but not for faults.
template <typename Fn>
void for_each_that_ends(Fn fn) {
  constexpr int kHarmless[] = {SIGKILL, SIGSTOP, SIGCHLD, SIGCONT, SIGURG, SIGWINCH};
  for (int signal = 1; signal <= SIGRTMAX; ++signal) {
    const auto is = [signal](int other) { return other == signal; };
    if (std::any_of(std::begin(kHarmless), std::end(kHarmless), is)) continue;
    if (std::any_of(std::begin(kFatalSignals), std::end(kFatalSignals), is)) continue;
    fn(signal);  // the C library refuses the signals that it uses itself
  }
}

}  // namespace

sigset_t everything_but_faults() {
  sigset_t set;
  ::sigfillset(&set);
  for (const int fault : kFatalSignals) ::sigdelset(&set, fault);
  return set;
}

sigset_t take_signals() {
  for_each_that_ends([](int signal) {
    struct sigaction action {};
    action.sa_handler = signal == SIGTERM ? ask_to_retire : do_nothing;
    action.sa_flags = SA_RESTART | SA_ONSTACK;
    ::sigaction(signal, &action, nullptr);
  });
  sigset_t mask = everything_but_faults();
  ::sigprocmask(SIG_SETMASK, &mask, nullptr);
  ::sigdelset(&mask, SIGTERM);
  return mask;
}

bool retire_asked() {
  return asked.load(std::memory_order_relaxed);
}

void give_signals_back() {
  for_each_that_ends([](int signal) {
    if (is_ours(signal)) ::signal(signal, SIG_DFL);
  });
}

void end_without_master(int status) {
  if (::getpgrp() == ::getpid()) ::kill(0, SIGKILL);
  ::_exit(status);
}

}  // namespace baton
