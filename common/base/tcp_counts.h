// What the kernel knows of a connection's two streams: the journal that no process's death can tear.
#pragma once

#include <cstdint>
#include <optional>

namespace baton {

struct StreamCounts {
  std::uint64_t written = 0;   // bytes put into the socket, acknowledged or not
  std::uint64_t consumed = 0;  // bytes taken out of the socket
};

// Exact for a TCP socket that accept(2) returned (tcp(7), TCP_INFO; SIOCOUTQ and SIOCINQ), until its own
// side is shut down: a FIN then counts as one more written byte. Nothing for other sockets, and nothing
// when the counts do not stand still.
std::optional<StreamCounts> stream_counts(int fd);

}  // namespace baton
