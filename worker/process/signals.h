// What signals do to a worker, and what the children of its modules inherit.
#pragma once

#include <signal.h>

namespace baton {

// SIGTERM asks a worker to retire. Signals of faults go to the crash handler. All other signals do nothing.
//
// Thread and process safety
//
// (1) The event thread takes signals only while it waits.
// (2) Threads of modules take signals at any time. They have the usual masks, because a child that they start
//     by system(3) or posix_spawn(3) begins with the mask of its parent.
// (3) For the same reason no signal is ignored, not even SIGPIPE. Each has a handler, which an executed
//     program does not inherit.

// Event thread. Call once, before there are other threads. Blocks all signals but those of a fault. Returns
// the mask for the wait, which lets SIGTERM in.
sigset_t take_signals();

// Whether SIGTERM has come.
bool retire_asked();

// The set of all signals but those of a fault (kFatalSignals).
sigset_t everything_but_faults();

// In a forked child: takes back every handler that take_signals() has installed and no module has replaced.
void give_signals_back();

// Ends the process, because its master has died. Kills the children of its modules too: there is no master
// left to do it.
[[noreturn]] void end_without_master(int status);

}  // namespace baton
