#include "worker/app/app_thread.h"

#include <linux/futex.h>
#include <pthread.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <stdexcept>
#include <string>
#include <system_error>

#include "common/base/clock.h"
#include "worker/app/protection.h"
#include "worker/process/crash_handler.h"
#include "worker/process/signals.h"

namespace baton::app {

namespace {

thread_local const AppThread* own_thread = nullptr;
cpu_set_t worker_cpus;

// Makes a page that a forked process finds zeroed: MADV_WIPEONFORK, madvise(2).
const volatile std::uint32_t* make_home_mark() {
  constexpr std::size_t kPage = 4096;
  void* const page = ::mmap(nullptr, kPage, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (page == MAP_FAILED || ::madvise(page, kPage, MADV_WIPEONFORK) != 0)
    throw std::runtime_error(std::string("cannot make the mark that tells a worker from its children: ") +
                             std::strerror(errno));
  *static_cast<std::uint32_t*>(page) = 1;
  ::mprotect(page, kPage, PROT_READ);
  return static_cast<const volatile std::uint32_t*>(page);
}

// The wait of futex(2), but without errno, which is in the thread's storage: the event thread may be using
// that (worker/app/borrowed_thread.h). Returns 0 or a negative error.
long wait_apart(const std::atomic<std::uint32_t>& word, std::uint32_t seen, const timespec& patience) {
#if defined(__x86_64__)
  register const timespec* fourth asm("r10") = &patience;
  long result = SYS_futex;
  asm volatile("syscall"
               : "+a"(result)
               : "D"(&word), "S"(FUTEX_WAIT_PRIVATE), "d"(seen), "r"(fourth)
               : "rcx", "r11", "memory");
  return result;
#else
  return ::syscall(SYS_futex, &word, FUTEX_WAIT_PRIVATE, seen, &patience, nullptr, 0) == 0 ? 0 : -errno;
#endif
}

}  // namespace

AppThread::AppThread() : home_(make_home_mark()), master_(::getppid()) {
  if (::sched_getaffinity(0, sizeof allowed_, &allowed_) != 0) CPU_ZERO(&allowed_);
  worker_cpus = allowed_;
  ::pthread_atfork(nullptr, nullptr, [] {
    ::sched_setaffinity(0, sizeof worker_cpus, &worker_cpus);
    give_signals_back();
  });
  try {
    thread_ = std::thread([this] { main(); });
  } catch (const std::system_error& error) {
    throw std::runtime_error(std::string("cannot start the thread for modules: ") + error.what());
  }
  // When this has returned, the app thread has a descriptor table of its own, or leave_error_ says why not.
  run([] {});
  if (leave_error_ == 0) {
    borrowed_.prepare();
    return;
  }
  thread_.join();
  throw std::runtime_error(std::string("cannot give modules a descriptor table of their own: ") +
                           std::strerror(leave_error_));
}

void AppThread::main() {
  own_thread = this;
  id_.store(static_cast<pid_t>(::syscall(SYS_gettid)), std::memory_order_relaxed);
  ::prctl(PR_SET_NAME, "baton: app");
  if (::syscall(SYS_close_range, STDERR_FILENO + 1, ~0U, 2U /* CLOSE_RANGE_UNSHARE */) != 0)
    leave_error_ = errno;
  if (leave_error_ != 0) {
    await_turn(kApp);
    return give_turn(kEvents);
  }
  use_crash_stack();
  Protection::deny();
  borrowed_.lend();
  // The modules' code gets signals. While the app thread waits, it blocks them: its storage may be lent, and
  // a module's signal handler would use it.
  const sigset_t nothing = everything_but_faults();
  sigset_t own;
  ::sigemptyset(&own);
  while (true) {
    await_turn(kApp);
    ::pthread_sigmask(SIG_SETMASK, &own, nullptr);
    work_();
    stop_children();
    borrowed_.look_at_thread();
    ::pthread_sigmask(SIG_SETMASK, &nothing, &own);
    give_turn(kEvents);
  }
}

bool AppThread::is_current() const {
  return own_thread == this && is_home();
}

void AppThread::stop_children() const {
  if (!is_home()) ::_exit(0);
}

bool AppThread::stand_in(Work work, bool near) {
  if (!borrowed_.possible()) {
    hand_over(work, near);
    return false;
  }
  if (borrowed_.run(work)) return true;
  auto rest = [this] { borrowed_.go_on(); };
  hand_over(Work(rest), near);
  return false;
}

void AppThread::hand_over(Work work, bool near) {
  near ? move_near() : set_free();
  work_ = work;
  give_turn(kApp);
  await_events();
  while (asking_) {
    asking_ = false;
    request_();
    give_turn(kApp);
    await_events();
  }
}

void AppThread::move_near() {
  const int here = ::sched_getcpu();
  if (here == cpu_ || here < 0 || here >= CPU_SETSIZE) return;
  cpu_set_t one;
  CPU_ZERO(&one);
  CPU_SET(here, &one);
  if (::sched_setaffinity(id(), sizeof one, &one) == 0) cpu_ = here;
}

void AppThread::set_free() {
  if (cpu_ == kAnyCpu) return;
  ::sched_setaffinity(id(), sizeof allowed_, &allowed_);
  cpu_ = kAnyCpu;
}

void AppThread::await_events() {
  constexpr timespec kNear{0, kNearMs * 1'000'000L};
  constexpr timespec kLook{0, kLookMs * 1'000'000L};
  std::uint64_t since_ns = 0;
  for (std::uint32_t seen = 0; (seen = turn_.load(std::memory_order_acquire)) != kEvents;) {
    const timespec* const patience = cpu_ == kAnyCpu ? &kLook : &kNear;
    const long result = ::syscall(SYS_futex, &turn_, FUTEX_WAIT_PRIVATE, seen, patience, nullptr, 0);
    if (result == 0 || errno != ETIMEDOUT) continue;
    set_free();
    if (since_ns == 0) since_ns = monotonic_ns();
    look_for_master(since_ns);
  }
}

// If the master has died, ends a process whose handler has had its time. Without this the handler could go on
// for as long as the machine runs.
void AppThread::look_for_master(std::uint64_t since_ns) const {
  const std::uint32_t limit_ms = limit_ms_.load(std::memory_order_relaxed);
  if (::getppid() == master_ || limit_ms == 0) return;
  if (monotonic_ns() - since_ns > std::uint64_t{limit_ms} * 1'000'000U) end_without_master(1);
}

// App thread, while it waits. Looks after a handler that the event thread runs.
void AppThread::watch_stand_in() {
  const std::uint32_t turn = borrowed_.turns();
  if (turn % 2 == 0) return;
  if (turn != seen_turn_) {
    seen_turn_ = turn;
    seen_since_ns_ = monotonic_ns();
  }
  look_for_master(seen_since_ns_);
}

void AppThread::ask(Work work) {
  stop_children();  // there is no event thread in a child
  request_ = work;
  asking_ = true;
  give_turn(kEvents);
  await_turn(kApp);
}

void AppThread::give_turn(Turn to) {
  turn_.store(to, std::memory_order_release);
  ::syscall(SYS_futex, &turn_, FUTEX_WAKE_PRIVATE, 1, nullptr, nullptr, 0);
}

void AppThread::await_turn(Turn mine) {
  constexpr timespec kLook{0, kLookMs * 1'000'000L};
  for (std::uint32_t seen = 0; (seen = turn_.load(std::memory_order_acquire)) != mine;) {
    if (wait_apart(turn_, seen, kLook) == -ETIMEDOUT) watch_stand_in();
  }
}

}  // namespace baton::app
