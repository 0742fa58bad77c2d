// Creates worker processes that share the master's descriptor table.
#pragma once

#include <sys/types.h>

#include <functional>

namespace baton {

// clone3(CLONE_FILES): separate memory (copy on write, as after fork), one descriptor table. Returns the
// child's pid; -1: failed, errno says why.
//
// Thread and process safety
//   The calling process must have one thread only. `child` runs in the new process and must end it with
//   _exit(): returning or unwinding would close descriptors that other processes use.
//
// There is no pidfd: it would stand in the table that the child shares. The pid is enough: it stays in the
// caller's own memory, and it means this child until the caller waits for it, which only a parent can do.
pid_t spawn_worker(const std::function<void()>& child);

}  // namespace baton
