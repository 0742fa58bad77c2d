// Listening sockets of the test's own.
#pragma once

#include <string>

#include "common/base/unique_fd.h"

namespace baton {

// Listens on an address as the configuration writes it. Returns nothing, with errno, if that fails. `shared`:
// with SO_REUSEPORT.
UniqueFd listen_on(const std::string& address, bool shared = false);

// The address on which `socket` listens.
std::string address_of(const UniqueFd& socket);

}  // namespace baton
