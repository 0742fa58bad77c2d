// Checks whether the modules of a configuration can be used. `baton -t` needs this, and so does a program
// that is to take over in an upgrade.
#pragma once

#include <chrono>
#include <vector>

#include "common/config/config.h"

namespace baton {

// How long a module may take here to be loaded and set up. A worker has longer (Master::kStartTimeoutNs).
constexpr std::chrono::milliseconds kModulePatience{10'000};

// Loads and sets up the module of each route as a worker would, but in a process of its own: so a module that
// crashes, hangs or ends the process is an error like any other. The functions that a module registers with
// on_worker_start are not called. What modules print goes to standard error.
//
// If there are several modules and each is good, all are loaded once more into one process, as in a worker,
// because two may be in each other's way. What they share is a warning on standard error.
//
// Returns what is wrong; empty: nothing. The calling process must have one thread only.
std::vector<ConfigError> check_modules(const Config& config,
                                       std::chrono::milliseconds patience = kModulePatience);

}  // namespace baton
