// Checks that everything that a server has open belongs to something: deaths of workers may leak.
#pragma once

#include <string>
#include <vector>

#include "tests/support/server.h"

namespace baton::test {

// The client sockets, spools, scripts and files that the master has open and that no slot and no table names,
// one line each. While workers open and close there may be some for a moment: wait until there is none.
std::vector<std::string> unaccounted_descriptors(const Server& server);

// Whether the header counts as many connections as slots are in use, and no slot is held by a process that
// does not exist.
bool slots_add_up(const Server& server);

}  // namespace baton::test
