// How a worker ended.
#pragma once

#include <signal.h>

#include <cstdint>
#include <string>

namespace baton {

enum class Cause : std::uint8_t {
  kRetired,      // it was told to go, or reached a limit of its own; it had nothing in hand
  kExited,       // it ended by itself, with a status
  kCrashed,      // a signal that it caused itself
  kKilled,       // SIGKILL or another signal from outside; says nothing about the request it had in hand
  kOutOfMemory,  // SIGKILL, probably by the kernel, which counted an OOM kill at that time
  kWatchdog,     // the master ended it: it was too long in one request
};

struct Death {
  Cause cause = Cause::kRetired;
  int number = 0;  // the exit status (kRetired, kExited) or the signal
  bool core_dumped = false;
};

// What the master knows about a death besides what waitid(2) says.
struct DeathContext {
  bool watchdog_fired = false;  // the master had sent it a signal for being too long in one request
  bool oom_kill_seen = false;   // the kernel has counted an OOM kill since the last death
  bool serving = false;         // it was in the middle of a request, and not about to retire
  bool asked_for = false;       // the master had sent SIGKILL for another reason than the watchdog
};

// `info` comes from waitid(2) with WEXITED.
Death classify_death(const siginfo_t& info, const DeathContext& context);

// "exited with status 78", "killed by signal 11 (SIGSEGV), core dumped".
std::string to_string(const Death& death);

}  // namespace baton
