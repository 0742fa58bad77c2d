// Which addresses exclude each other, for listening.
#pragma once

#include <cstdint>
#include <string>

#include "common/base/address.h"

namespace baton {

// 0 for a Unix socket.
std::uint16_t port_of(const Address& address);

// "*:80", "[::]:80": every address of the family.
bool is_any(const Address& address);

// "[::ffff:127.0.0.1]:80": a socket for IPv6 alone cannot be bound to it.
bool is_mapped_ipv4(const Address& address);

// Whether it is the same to listen on, however it is written. Of Unix paths that is asked of the file system:
// folders may be links.
bool same_address(const Address& a, const Address& b);

// Whether who listens on `wide` listens on `narrow` as well, as "*:80" does on "127.0.0.1:80". IPv6 is IPv6
// alone (IPV6_V6ONLY), so "[::]:80" and "*:80" go together.
bool covers(const Address& wide, const Address& narrow);

// What stands at `path` and keeps a Unix socket from being bound there: "a regular file". Empty: nothing, or
// a socket.
std::string obstacle_at(const std::string& path);

}  // namespace baton
