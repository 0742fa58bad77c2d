// Sockets of the test's own that listen.
#pragma once

#include <string>

#include "common/base/unique_fd.h"

namespace baton {

// On an address as the configuration writes it. Nothing, with errno, where it cannot be had. With `shared`, it
// asks to share the port.
UniqueFd listen_on(const std::string& address, bool shared = false);

// Where it listens.
std::string address_of(const UniqueFd& socket);

}  // namespace baton
