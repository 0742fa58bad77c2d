// How a worker ended.
#pragma once

#include <cstdint>

namespace baton {

enum class Cause : std::uint8_t {
  kRetired,      // told to go, or past a limit of its own: nothing was in its hands
  kExited,       // by itself, with a status
  kCrashed,      // a signal of its own making
  kKilled,       // SIGKILL or another signal from outside: says nothing about the request it had
  kOutOfMemory,  // SIGKILL, probably by the kernel, which counted an OOM kill at the time
  kWatchdog,     // ended by the master: too long in one request
};

struct Death {
  Cause cause = Cause::kRetired;
  int number = 0;  // exit status (kRetired, kExited) or signal
  bool core_dumped = false;
};

}  // namespace baton
