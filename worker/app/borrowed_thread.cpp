#include "worker/app/borrowed_thread.h"

#include <asm/prctl.h>
#include <linux/prctl.h>
#include <pthread.h>
#include <sys/auxv.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <ucontext.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <iterator>
#include <memory>
#include <utility>

#include "common/base/without.h"
#include "worker/app/protection.h"
#include "worker/process/crash_handler.h"

#if defined(__x86_64__) && !defined(__SANITIZE_ADDRESS__)
#define BATON_STANDS_IN 1
#else
#define BATON_STANDS_IN 0
#endif

namespace baton::app {

namespace {

#if BATON_STANDS_IN

// The kernel reads this at every system call of the event thread while dispatch is on.
volatile char selector = SYSCALL_DISPATCH_FILTER_ALLOW;
BorrowedThread* stand_in = nullptr;
struct sigaction action_before;
struct sigaction fatal_actions[std::size(kFatalSignals)];
constexpr int kUserDispatch = 2;     // SYS_USER_DISPATCH, which glibc does not have yet
constexpr int kSystemCallBytes = 2;  // the instruction: 0f 05
// The part of its stack that the app thread keeps, to wait, and to take up the work that was begun below it.
constexpr std::size_t kAppThreadBytes = std::size_t{64} * 1024;
constexpr unsigned long kHasFsGsBase = 2;  // HWCAP2_FSGSBASE: the kernel lets programs use it
bool has_fs_gs_base = false;

// arch_prctl(2), but without errno, which is in the storage. Returns 0 or a negative error.
long ask_kernel(long what, std::uint64_t argument) {
  long result = SYS_arch_prctl;
  asm volatile("syscall" : "+a"(result) : "D"(what), "S"(argument) : "rcx", "r11", "memory");
  return result;
}

// Without FSGSBASE this makes a system call, so it must not be called while system calls are refused. Between
// two calls the thread has the storage of another one. So this file, and what it calls then, uses no
// thread-local variable.
void use_storage(void* storage) {
  if (has_fs_gs_base)
    asm volatile("wrfsbase %0" : : "r"(storage) : "memory");
  else
    ask_kernel(ARCH_SET_FS, reinterpret_cast<std::uint64_t>(storage));
}

// For the calling thread.
std::uint64_t base_of_gs() {
  std::uint64_t base = 0;
  ask_kernel(ARCH_GET_GS, reinterpret_cast<std::uint64_t>(&base));
  return base;
}

bool set_dispatch(unsigned long mode, volatile char* allow) {
  return ::prctl(PR_SET_SYSCALL_USER_DISPATCH, mode, 0L, 0L, allow) == 0;
}

// Every return must agree with a shadow stack (CET), and it cannot be lent.
bool has_shadow_stack() {
  std::uint64_t top = 0;
  asm volatile("rdsspq %0" : "+r"(top));
  return top != 0;
}

// The stack of the fiber belongs to the app thread.
struct NothingToFree {
  void deallocate(boost::context::stack_context&) noexcept {}
};

#endif

}  // namespace

#if BATON_STANDS_IN

void BorrowedThread::lend() {
  app_storage_ = __builtin_thread_pointer();
  pthread_attr_t attributes;
  void* begin = nullptr;
  std::size_t bytes = 0;
  if (::pthread_getattr_np(::pthread_self(), &attributes) != 0) return;
  ::pthread_attr_getstack(&attributes, &begin, &bytes);
  ::pthread_attr_destroy(&attributes);
  const auto room = static_cast<char*>(__builtin_frame_address(0)) - static_cast<char*>(begin);
  if (room < static_cast<std::ptrdiff_t>(2 * kAppThreadBytes)) return;  // a small RLIMIT_STACK
  stack_.size = static_cast<std::size_t>(room) - kAppThreadBytes;
  stack_.sp = static_cast<char*>(begin) + stack_.size;
}

// Tries each step once. Returns why one is not possible, or "".
std::string BorrowedThread::find_obstacle() const {
  if (stack_.sp == nullptr) return "the stacks of threads are too small (ulimit -s)";
  if (has_shadow_stack()) return "there is a shadow stack";
  if (ask_kernel(ARCH_SET_FS, reinterpret_cast<std::uint64_t>(__builtin_thread_pointer())) != 0)
    return "the kernel refuses arch_prctl(2)";
  if (without(Ability::kDispatch)) errno = EINVAL;
  if (without(Ability::kDispatch) || !set_dispatch(PR_SYS_DISPATCH_ON, &selector)) {
    return errno == EINVAL ? "the kernel has no Syscall User Dispatch, which is part of Linux since 5.11"
                           : std::string("the kernel refuses Syscall User Dispatch: ") + std::strerror(errno);
  }
  set_dispatch(PR_SYS_DISPATCH_OFF, nullptr);
  return "";
}

void BorrowedThread::prepare() {
  obstacle_ = find_obstacle();
  if (!obstacle_.empty()) return;
  has_fs_gs_base = (::getauxval(AT_HWCAP2) & kHasFsGsBase) != 0 && !without(Ability::kFsGsBase);
  gs_at_first_ = base_of_gs();
  event_storage_ = __builtin_thread_pointer();
  stand_in = this;
  struct sigaction action {};
  action.sa_sigaction = on_system_call;
  // The handler runs on the stack of the work, and blocks nothing (SA_NODEFER). The event thread leaves it
  // without returning from it: if SIGSYS stayed blocked, the next one would end the process.
  action.sa_flags = SA_SIGINFO | SA_NODEFER;
  ::sigaction(SIGSYS, &action, &action_before);
  for (std::size_t i = 0; i < std::size(kFatalSignals); ++i)
    ::sigaction(kFatalSignals[i], nullptr, &fatal_actions[i]);
  available_ = true;
}

void BorrowedThread::look_at_thread() {
  if (!available_) return;
  // Without FSGSBASE, to carry the base of GS over would take two more system calls each time. A module can
  // change it only by a system call, and those are made on this thread. So to look here is enough.
  like_ours_ = has_fs_gs_base || base_of_gs() == gs_at_first_;
  looked_ = false;
}

bool BorrowedThread::possible() {
  if (!available_ || !like_ours_) return false;
  if (looked_) return true;
  for (std::size_t i = 0; i < std::size(kFatalSignals); ++i) {
    struct sigaction now {};
    ::sigaction(kFatalSignals[i], nullptr, &now);
    if (now.sa_sigaction != fatal_actions[i].sa_sigaction) return false;
  }
  return looked_ = true;
}

bool BorrowedThread::run(Work work) {
  work_ =
      boost::context::fiber(std::allocator_arg, boost::context::preallocated(stack_.sp, stack_.size, stack_),
                            NothingToFree{}, [this, work](boost::context::fiber&& caller) {
                              caller_ = std::move(caller);
                              work();
                              return std::move(caller_);
                            });
  set_dispatch(PR_SYS_DISPATCH_ON, &selector);
  turns_.fetch_add(1, std::memory_order_relaxed);
  enter();
  work_ = std::move(work_).resume();
  leave();
  turns_.fetch_add(1, std::memory_order_relaxed);
  set_dispatch(PR_SYS_DISPATCH_OFF, nullptr);
  return !work_;
}

void BorrowedThread::go_on() {
  work_ = std::move(work_).resume();
}

void BorrowedThread::as_event_thread(Work work) {
  leave();
  registers_.save();
  Registers().load();
  work();
  registers_.load();
  enter();
}

void BorrowedThread::enter() {
  Protection::deny();
  use_storage(app_storage_);
  selector = SYSCALL_DISPATCH_FILTER_BLOCK;
}

void BorrowedThread::leave() {
  selector = SYSCALL_DISPATCH_FILTER_ALLOW;
  use_storage(event_storage_);
  Protection::allow();
}

void BorrowedThread::Registers::load() const {
  asm volatile("ldmxcsr %0" : : "m"(mxcsr_));
  asm volatile("fldcw %0" : : "m"(x87_control_));
  if (has_fs_gs_base) asm volatile("wrgsbase %0" : : "r"(gs_));
}

void BorrowedThread::Registers::save() {
  asm volatile("stmxcsr %0" : "=m"(mxcsr_));
  asm volatile("fnstcw %0" : "=m"(x87_control_));
  if (has_fs_gs_base) asm volatile("rdgsbase %0" : "=r"(gs_));
}

void BorrowedThread::on_system_call(int signal, siginfo_t* info, void* context) {
  constexpr std::size_t kKernelMaskBytes = 8;
  if (info->si_code != kUserDispatch) {
    // The signal has another cause. It is sent again, arrives when this handler has returned, and takes the
    // course that it had before prepare().
    interrupt();
    const std::uint64_t only = std::uint64_t{1} << (SIGSYS - 1);
    ::syscall(SYS_rt_sigprocmask, SIG_BLOCK, &only, nullptr, kKernelMaskBytes);
    ::sigaction(signal, &action_before, nullptr);
    ::syscall(SYS_rt_tgsigqueueinfo, ::getpid(), ::syscall(SYS_gettid), signal, info);
    return;
  }
  Registers registers;
  registers.save();
  // Here the event thread leaves, and run() returns. The app thread comes in, from go_on().
  stand_in->caller_ = std::move(stand_in->caller_).resume();
  registers.load();
  // The app thread returns from a frame that was made for the event thread. So the frame gets the app
  // thread's mask and alternate stack, and leads back to the call that was refused.
  auto& frame = *static_cast<ucontext_t*>(context);
  ::sigaltstack(nullptr, &frame.uc_stack);
  ::syscall(SYS_rt_sigprocmask, SIG_SETMASK, nullptr, &frame.uc_sigmask, kKernelMaskBytes);
  frame.uc_mcontext.gregs[REG_RIP] -= kSystemCallBytes;
}

bool BorrowedThread::interrupt() {
  if (stand_in == nullptr || !stand_in->active()) return false;
  const void* const storage = __builtin_thread_pointer();
  if (storage != stand_in->app_storage_ && storage != stand_in->event_storage_) return false;
  selector = SYSCALL_DISPATCH_FILTER_ALLOW;
  return true;
}

#else

void BorrowedThread::lend() {}
void BorrowedThread::prepare() {
#if defined(__SANITIZE_ADDRESS__)
  obstacle_ = "the address sanitizer knows each thread by its stack";
#else
  obstacle_ = "it is made for x86-64";
#endif
}
void BorrowedThread::look_at_thread() {}
bool BorrowedThread::possible() {
  return false;
}
bool BorrowedThread::run(Work) {
  return false;
}
void BorrowedThread::go_on() {}
void BorrowedThread::as_event_thread(Work) {}
void BorrowedThread::Registers::load() const {}
void BorrowedThread::Registers::save() {}
bool BorrowedThread::interrupt() {
  return false;
}

#endif

}  // namespace baton::app
