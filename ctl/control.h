// The commands that batonctl gives to a running server. Each sends a signal to the master, and then waits
// until that has had its effect.
#pragma once

#include <chrono>
#include <string>

#include "common/shared/segment.h"

namespace baton::ctl {

struct Outcome {
  bool ok = false;
  std::string message;  // for people: what happened, and if not ok also what to do about it
};

// Sends SIGHUP; waits until the master has reported the outcome, and returns it. Not ok if the configuration
// was refused (then the server goes on unchanged), if the master died, or after `patience`.
Outcome reload(const Segment& segment, std::chrono::milliseconds patience);

// Sends SIGUSR2; waits until the outcome has been reported: by the old program if it goes on, else by the new
// program. Not ok if the old program goes on, if the master died, or after `patience`.
Outcome upgrade(const Segment& segment, std::chrono::milliseconds patience);

enum class Stop : unsigned char { kGraceful, kFast };

// Sends SIGTERM, or SIGINT for a fast stop; waits until the master process has ended, at most `patience`.
Outcome stop(const Segment& segment, Stop how, std::chrono::milliseconds patience);

// Sends SIGUSR1; does not wait, because the master reports no outcome.
Outcome reopen(const Segment& segment);

}  // namespace baton::ctl
