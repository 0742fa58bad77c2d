#include "worker/app/stand_in.h"

#include <linux/prctl.h>
#include <pthread.h>
#include <sys/auxv.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <ucontext.h>
#include <unistd.h>

#include <memory>
#include <utility>

#include "worker/app/protection.h"

#if defined(__x86_64__) && !defined(__SANITIZE_ADDRESS__)
#define BATON_STANDS_IN 1
#else
#define BATON_STANDS_IN 0
#endif

namespace baton::app {

namespace {

// Read by the kernel at every system call of the event thread while dispatch is on.
volatile char selector = SYSCALL_DISPATCH_FILTER_ALLOW;
StandIn* stand_in = nullptr;

#if BATON_STANDS_IN

struct sigaction action_before;
constexpr int kUserDispatch = 2;     // SYS_USER_DISPATCH, which glibc does not have yet
constexpr int kSystemCallBytes = 2;  // the instruction: 0f 05
// What the app thread needs of its stack while it waits, and to take up what was begun below.
constexpr std::size_t kAppThreadBytes = std::size_t{64} * 1024;
constexpr unsigned long kHasFsGsBase = 2;  // HWCAP2_FSGSBASE: the kernel lets programs use it

// What is called between two of these uses no thread-local variable of the wrong thread: neither does this
// file, nor what it calls.
void use_storage(void* storage) {
  asm volatile("wrfsbase %0" : : "r"(storage) : "memory");
}

bool set_dispatch(unsigned long mode, volatile char* allow) {
  return ::prctl(PR_SET_SYSCALL_USER_DISPATCH, mode, 0L, 0L, allow) == 0;
}

// The stack is the app thread's.
struct NothingToFree {
  void deallocate(boost::context::stack_context&) noexcept {}
};

#endif

}  // namespace

#if BATON_STANDS_IN

void StandIn::lend() {
  pthread_attr_t attributes;
  void* begin = nullptr;
  std::size_t bytes = 0;
  ::pthread_getattr_np(::pthread_self(), &attributes);
  ::pthread_attr_getstack(&attributes, &begin, &bytes);
  ::pthread_attr_destroy(&attributes);
  stack_begin_ = static_cast<char*>(begin);
  stack_end_ = static_cast<char*>(__builtin_frame_address(0)) - kAppThreadBytes;
  app_storage_ = __builtin_thread_pointer();
}

bool StandIn::prepare() {
  if ((::getauxval(AT_HWCAP2) & kHasFsGsBase) == 0) return false;
  if (stack_end_ < stack_begin_ + kAppThreadBytes) return false;  // a small RLIMIT_STACK
  if (!set_dispatch(PR_SYS_DISPATCH_ON, &selector)) return false;
  set_dispatch(PR_SYS_DISPATCH_OFF, nullptr);
  event_storage_ = __builtin_thread_pointer();
  stand_in = this;
  struct sigaction action {};
  action.sa_sigaction = on_system_call;
  // On the stack that it comes from, and without blocking anything: the event thread leaves the handler
  // without returning from it.
  action.sa_flags = SA_SIGINFO | SA_NODEFER;
  return ::sigaction(SIGSYS, &action, &action_before) == 0;
}

bool StandIn::run(Work work) {
  boost::context::stack_context stack;
  stack.sp = stack_end_;
  stack.size = static_cast<std::size_t>(stack_end_ - stack_begin_);
  work_ = boost::context::fiber(std::allocator_arg, boost::context::preallocated(stack.sp, stack.size, stack),
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

void StandIn::go_on() {
  work_ = std::move(work_).resume();
}

void StandIn::as_event_thread(Work work) {
  leave();
  work();
  enter();
}

void StandIn::enter() {
  Protection::deny();
  selector = SYSCALL_DISPATCH_FILTER_BLOCK;
  use_storage(app_storage_);
}

void StandIn::leave() {
  use_storage(event_storage_);
  selector = SYSCALL_DISPATCH_FILTER_ALLOW;
  Protection::allow();
}

void StandIn::ArithmeticModes::load() const {
  asm volatile("ldmxcsr %0" : : "m"(sse_));
  asm volatile("fldcw %0" : : "m"(x87_));
}

void StandIn::ArithmeticModes::save() {
  asm volatile("stmxcsr %0" : "=m"(sse_));
  asm volatile("fnstcw %0" : "=m"(x87_));
}

void StandIn::on_system_call(int signal, siginfo_t* info, void* context) {
  if (info->si_code != kUserDispatch) {
    // Somebody else's: sent again, it takes the course that it had before.
    interrupt();
    ::sigaction(signal, &action_before, nullptr);
    ::syscall(SYS_rt_tgsigqueueinfo, ::getpid(), ::syscall(SYS_gettid), signal, info);
    return;
  }
  // The event thread ends here, as run() returns; the app thread begins, in go_on().
  stand_in->caller_ = std::move(stand_in->caller_).resume();
  // To be returned from by another thread than it was made for: with that one's mask and alternate stack, to
  // the call that was refused.
  auto& frame = *static_cast<ucontext_t*>(context);
  ::sigaltstack(nullptr, &frame.uc_stack);
  constexpr std::size_t kKernelMaskBytes = 8;
  ::syscall(SYS_rt_sigprocmask, SIG_SETMASK, nullptr, &frame.uc_sigmask, kKernelMaskBytes);
  frame.uc_mcontext.gregs[REG_RIP] -= kSystemCallBytes;
}

#else

void StandIn::lend() {}
bool StandIn::prepare() {
  return false;
}
bool StandIn::run(Work) {
  return false;
}
void StandIn::go_on() {}
void StandIn::as_event_thread(Work) {}
void StandIn::ArithmeticModes::load() const {}
void StandIn::ArithmeticModes::save() {}

#endif

bool StandIn::interrupt() {
  selector = SYSCALL_DISPATCH_FILTER_ALLOW;
  return stand_in != nullptr && stand_in->active();
}

}  // namespace baton::app
