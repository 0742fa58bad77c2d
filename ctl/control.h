// What batonctl makes a running server do: a signal to its master, then a wait until that has had its effect.
#pragma once

#include <chrono>
#include <string>

#include "common/shared/segment.h"

namespace baton::ctl {

struct Outcome {
  bool ok = false;
  std::string message;  // for people: what happened; if not ok also what to do about it
};

// SIGHUP; waits until the master has reported the outcome and passes it on. Not ok when the configuration was
// refused (the server then goes on unchanged), when the master died, or after `patience`.
Outcome reload(const Segment& segment, std::chrono::milliseconds patience);

// SIGUSR2; waits until the outcome has been reported, by the old program if it goes on, else by the new one.
// Not ok when it goes on, when the master died, or after `patience`.
Outcome upgrade(const Segment& segment, std::chrono::milliseconds patience);

enum class Stop : unsigned char { kGraceful, kFast };

// SIGTERM, or SIGINT for a fast stop; waits until the master process has gone.
Outcome stop(const Segment& segment, Stop how, std::chrono::milliseconds patience);

// SIGUSR1; does not wait, because the master reports no outcome.
Outcome reopen(const Segment& segment);

}  // namespace baton::ctl
