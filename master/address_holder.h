// Who has an address that cannot be bound: for people.
#pragma once

#include <string>
#include <vector>

#include "common/base/address.h"

namespace baton {

// Asked after bind(2) has said EADDRINUSE. "nginx (pid 4711) listens there: stop it or choose another
// address", or what else is in the way and what to do. Whose process it is may not be ours to see: then it is
// "another program", of its user where the kernel tells. Looks through /proc: milliseconds, more where very
// many descriptors are open.
// `own`: sockets that are not meant.
std::string holder_of(const Address& address, const std::vector<int>& own);

}  // namespace baton
