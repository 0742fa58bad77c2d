// A worker process: waits on the shared epoll set, and handles one event at a time.
#pragma once

#include "worker/process/context.h"
#include "worker/process/exit.h"

namespace baton {

// Runs in the process that has just been cloned. Never returns: it leaves with _exit(2), because the
// descriptor table is shared and no destructor may close a descriptor in it. SIGTERM asks the worker to
// retire. The event thread takes signals only while it waits, never inside a request.
[[noreturn]] void run_worker(const WorkerContext& context);

}  // namespace baton
