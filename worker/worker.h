// A worker process: waits on the shared epoll set and serves whatever it is given, one event at a time.
#pragma once

#include "worker/process/context.h"

namespace baton {

// Exit statuses of a worker, read by the master.
struct WorkerExit {
  static constexpr int kRetired = 0;       // told to go, or its generation was replaced
  static constexpr int kCannotStart = 78;  // sysexits(3) EX_CONFIG: trying again will not help by itself
};

// Runs in the process just cloned and never returns: the descriptor table is shared, so nothing may be
// destroyed. SIGTERM asks it to retire; signals are taken only while it waits, never inside a request.
[[noreturn]] void run_worker(const WorkerContext& context);

}  // namespace baton
