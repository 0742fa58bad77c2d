// Whether everything that a server has open belongs to something: what its workers' deaths may leak.
#pragma once

#include <string>
#include <vector>

#include "tests/support/server.h"

namespace baton::test {

// The client sockets, spools, scripts and files that the master has open and that are in no slot and no
// table, one line each. Momentary while workers open and close: wait until there is none.
std::vector<std::string> unaccounted_descriptors(const Server& server);

// Whether as many slots are in use as the header counts connections, and none is held by a process that is
// not there.
bool slots_add_up(const Server& server);

}  // namespace baton::test
