// What signals do to a worker, and what the children of its modules inherit of that.
#pragma once

#include <signal.h>

namespace baton {

// SIGTERM asks a worker to retire; all others but those of a fault do nothing. The event thread takes them
// only while it waits. Threads of modules take them at any time: the masks of those are the usual ones,
// because what a child of theirs is begun with, by system(3) or posix_spawn(3), is its parent's mask. For the
// same reason no signal is ignored, not even SIGPIPE: each has a handler, which no executed program inherits.

// Event thread, once, before there are others: blocks everything but faults. Returns the mask for the wait,
// which lets SIGTERM in.
sigset_t take_signals();

// Whether SIGTERM has come.
bool retire_asked();

// All but those of a fault.
sigset_t everything_but_faults();

// In a forked child: what take_signals() has installed, and a module has not replaced, is undone.
void give_signals_back();

// Ends the process when its master has died before it, and with it whatever is left of the children of its
// modules: nobody else would end them.
[[noreturn]] void end_without_master(int status);

}  // namespace baton
