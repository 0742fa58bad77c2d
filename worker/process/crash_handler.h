// What a worker still does when a fatal signal ends it: says where, for the master's post-mortem.
#pragma once

#include <signal.h>
#include <sys/types.h>

#include <string_view>

#include "common/shared/scoreboard.h"

namespace baton {

inline constexpr int kFatalSignals[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT, SIGSYS, SIGTRAP};

// What the handler calls of those that know threads and rights. Both are async-signal-safe.
struct CrashHooks {
  // First of all: a signal handler begins without any right to memory that is guarded.
  void (*allow_writing)() = [] {};
  // On the event thread, then: whether it was running a module's code in the app thread's place. It may make
  // system calls from here on.
  bool (*interrupt_module)() = [] { return false; };
};

// From now on these first write the signal and a backtrace into `record`, then take the course that they had
// before: by default the process ends by that same signal, with a core dump where those are enabled. The
// handler runs on a stack of its own, so that an overflow of the usual one can be told as well; that stack is
// the calling thread's. Call it once, before anything is served: it loads what backtrace(3) needs, which
// could not be done later.
void install_crash_handler(CrashRecord& record, CrashHooks hooks = {});

// Gives the calling thread, which is to be the app thread, a stack of its own for the handler.
void use_crash_stack();

// The thread whose doing a SIGABRT from outside asks for: the watchdog sends it to the process, and the event
// thread only waits for the app thread. 0: the process has no other thread.
void report_aborts_of(pid_t thread);

// App thread: the module whose image has this descriptor is about to be loaded, or was, under a name that
// ends in the number. Frames in it are told as those of `file`.
void name_image(int image, std::string_view file);

}  // namespace baton
