// The end of a TLS handshake.
#pragma once

#include "common/shared/connection_table.h"
#include "common/shared/tls_state.h"

namespace baton {

// Everything was sent, and the state has the keys: consumes what the client has sent for the handshake, and enters
// kHead. For the holder, and for the master in the place of a dead holder. False: the connection is broken.
[[nodiscard]] bool end_handshake(int fd, Slot& slot, TlsState& state);

}  // namespace baton
