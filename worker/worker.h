// A worker process: waits on the shared epoll set, and handles one event at a time.
#pragma once

#include "worker/process/context.h"

namespace baton {

// Exit statuses of a worker, read by the master.
struct WorkerExit {
  static constexpr int kRetired = 0;       // the worker was told to go, or its generation was replaced
  static constexpr int kCannotStart = 78;  // sysexits(3) EX_CONFIG: another try alone will not help
};

// Runs in the process that has just been cloned. Never returns: it leaves with _exit(2), because the
// descriptor table is shared and no destructor may close a descriptor in it. SIGTERM asks the worker to
// retire. The event thread takes signals only while it waits, never inside a request.
[[noreturn]] void run_worker(const WorkerContext& context);

}  // namespace baton
