// Which listening addresses exclude each other.
#pragma once

#include <cstdint>
#include <string>

#include "common/base/address.h"

namespace baton {

// The port; 0 for a Unix socket.
std::uint16_t port_of(const Address& address);

// Whether it means every address of its family: "*:80", "[::]:80".
bool is_any(const Address& address);

// Whether it is like "[::ffff:127.0.0.1]:80". A socket for IPv6 only cannot be bound to such an address.
bool is_mapped_ipv4(const Address& address);

// Whether both mean the same listening address, however each is written. Unix paths are compared through
// the file system, because folders may be links.
bool same_address(const Address& a, const Address& b);

// Whether a listener on `wide` also listens on `narrow`, as "*:80" does on "127.0.0.1:80". IPv6 listeners
// take IPv6 only (IPV6_V6ONLY), so "[::]:80" and "*:80" go together.
bool covers(const Address& wide, const Address& narrow);

// What stands at `path` and keeps a Unix socket from being bound there, such as "a regular file". Empty:
// nothing does, or a socket stands there.
std::string obstacle_at(const std::string& path);

}  // namespace baton
