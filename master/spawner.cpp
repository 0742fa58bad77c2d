#include "master/spawner.h"

#include <linux/futex.h>
#include <linux/sched.h>
#include <sched.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

#include <cstdint>

namespace baton {

pid_t spawn_worker(const std::function<void()>& child) {
  // glibc keeps this thread's id at the address that the kernel clears at thread exit. A raw clone leaves the
  // parent's id there, and robust and recursive mutexes would then take the child for the parent. So the
  // kernel is told to write the child's id there.
  int* tid_address = nullptr;
  ::prctl(PR_GET_TID_ADDRESS, &tid_address);
  robust_list_head* robust_list = nullptr;
  std::size_t robust_size = 0;
  ::syscall(SYS_get_robust_list, 0, &robust_list, &robust_size);

  clone_args args{};
  args.flags = CLONE_FILES;
  if (tid_address != nullptr) {
    args.flags |= CLONE_CHILD_SETTID | CLONE_CHILD_CLEARTID;
    args.child_tid = reinterpret_cast<std::uint64_t>(tid_address);
  }
  args.exit_signal = SIGCHLD;
  const auto pid = static_cast<pid_t>(::syscall(SYS_clone3, &args, sizeof args));
  if (pid == 0) {
    // The kernel does not give the child a robust list. Without one, a robust mutex that the child holds when
    // it dies would stay locked.
    ::syscall(SYS_set_robust_list, robust_list, robust_size);
    child();
    ::_exit(0);
  }
  return pid;
}

}  // namespace baton
