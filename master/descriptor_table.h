// The one descriptor table: how large it must be, and growing it before anybody shares it.
#pragma once

#include <cstdint>

namespace baton {

// Descriptors for `max_connections`: each may own a second one (a parked response), and the open-file table
// and the server itself need theirs.
std::uint32_t descriptors_for(std::uint32_t max_connections);

// Raises RLIMIT_NOFILE to `count` and grows the table to it at once: growing it later, when it is shared,
// stalls every process for up to 24 ms. Throws std::runtime_error that names the limit and the remedy.
void size_descriptor_table(std::uint32_t count, std::uint32_t max_connections);

}  // namespace baton
