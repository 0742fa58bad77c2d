// Creates worker processes that share the master's descriptor table.
#pragma once

#include <sys/types.h>

#include <functional>

#include "common/unique_fd.h"

namespace baton {

struct Spawned {
  pid_t pid = -1;  // -1: failed, errno says why
  UniqueFd pidfd;
};

// clone3(CLONE_FILES | CLONE_PIDFD): separate memory (copy on write, as after fork), one descriptor table.
// `child` runs in the new process and must end it with _exit(): returning or unwinding would close what
// others use. The caller must be single-threaded.
Spawned spawn_worker(const std::function<void()>& child);

}  // namespace baton
