// Whether the modules of a configuration can be used: for `baton -t`, and for a program that is to take over.
#pragma once

#include <chrono>
#include <vector>

#include "common/config/config.h"

namespace baton {

// What a module may take to be loaded and set up, here. A worker has longer, see Master::kStartTimeoutNs.
constexpr std::chrono::milliseconds kModulePatience{10'000};

// Loads the module of each route in a process of its own, as a worker would, and has it set up; what it wants
// to be called when a worker starts is not called. So a module that crashes, hangs or ends the process is an
// error like another. What modules print goes to standard error. Where each one is good and there are
// several, all are loaded once more into one process: a worker does that, and two may be in each other's way.
// What they share is a warning on standard error. Returns what is wrong; empty: nothing. The caller has one
// thread.
std::vector<ConfigError> check_modules(const Config& config,
                                       std::chrono::milliseconds patience = kModulePatience);

}  // namespace baton
