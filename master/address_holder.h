// Tells people which process holds an address that cannot be bound.
#pragma once

#include <string>
#include <vector>

#include "common/base/address.h"

namespace baton {

// To be called after bind(2) has failed with EADDRINUSE. Returns what is in the way and what to do about it:
// "nginx (pid 4711) listens there: stop it or choose another address". If this process may not look into the
// other one, that is "another program", with its user where the kernel tells. Looks through /proc: this takes
// milliseconds, or more where very many descriptors are open.
//
// `own`: our own sockets, which are not the ones in question.
std::string holder_of(const Address& address, const std::vector<int>& own);

}  // namespace baton
