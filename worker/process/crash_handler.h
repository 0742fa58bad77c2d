// When a fatal signal ends a worker, writes down where it was, for the master's post-mortem.
#pragma once

#include <signal.h>
#include <sys/types.h>

#include <string_view>

#include "common/shared/scoreboard.h"

namespace baton {

inline constexpr int kFatalSignals[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT, SIGSYS, SIGTRAP};

// Functions of other rooms that the handler calls. Both must be async-signal-safe.
struct CrashHooks {
  // Called first: a signal handler begins without any right to guarded memory.
  void (*allow_writing)() = [] {};
  // Called next, on the event thread. Returns whether that thread was running a module's code in the place of
  // the app thread. From here on it may make system calls.
  bool (*interrupt_module)() = [] { return false; };
};

// From now on each of kFatalSignals first writes the signal and a backtrace into `record`. Then it takes the
// course that it had before: by default the process ends by the same signal, with a core dump if those are
// enabled. `record` outlives the process.
//
// The handler runs on a stack of its own, so that it can report an overflow of the usual one. This call sets
// up that stack for the calling thread, the event thread. Call once, before anything is served: it loads what
// backtrace(3) needs, which cannot be done in a handler.
void install_crash_handler(CrashRecord& record, CrashHooks hooks = {});

// Gives the calling thread, the future app thread, a stack of its own for the handler.
void use_crash_stack();

// Sets the thread whose backtrace a SIGABRT from outside asks for. The watchdog sends that signal to the
// process, where the event thread may only be waiting for the app thread. 0: there is no other thread.
void report_aborts_of(pid_t thread);

// App thread. Call before a module is loaded; to call it again does no harm. `image` is the descriptor of its
// ModuleImage, and the loader knows the module by a name that ends in this number. Backtraces name `file`.
void name_image(int image, std::string_view file);

}  // namespace baton
