// What every process that the master clones does before it serves.
#pragma once

#include <signal.h>
#include <sys/types.h>

#include <string>

#include "worker/process/context.h"

namespace baton {

// How long a process waits for an event at most. A stopped or starved process can swallow the only wake-up of an
// event. Every process looks again after this long, and one of them finds the event.
constexpr int kBackstopMs = 100;

// Takes the process's name and signals, reports descriptors and spools where they belong, and ends with its master.
// Ends the process if it cannot. Returns the signals that are blocked except while waiting.
sigset_t begin_process(const WorkerContext& context, const std::string& name);

// Wakes the master, which then looks at this process's entry.
void tell_master(const WorkerContext& context);

// Tells the master that this process is ready, then waits until the master switches to this generation. No
// process of a generation serves before all of them are ready. False: the server ends before the switch.
bool await_switch(const WorkerContext& context);

// Waits while an upgrade is under way. If it fails, the freeze is lifted; if it succeeds, there is a newer
// generation as well.
void await_thaw(const WorkerContext& context);

// Whether this process is to end: a newer generation serves, the server ends, or the master says so.
[[nodiscard]] bool is_retiring(const WorkerContext& context);

// Ends the process, which has served to its end.
[[noreturn]] void end_process(const WorkerContext& context);

}  // namespace baton
