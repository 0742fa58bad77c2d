// What a connection goes on with after its handshake: from OpenSSL's state and the bytes of both sides to a TlsState.
#pragma once

#include <string_view>

#include "common/shared/tls_state.h"
#include "worker/tls/credentials.h"
#include "worker/tls/openssl.h"

namespace baton::tls {

// The bytes of a handshake, in whole records.
struct Transcript {
  std::string_view client;  // that were fed
  std::string_view server;  // that were made
  std::string_view
      last_flight;  // the end of `server` that was made after the client's last record; may be empty
};

// Fills what outlives the handshake, but not TlsState::handshake. False: OpenSSL negotiated what the record layer does
// not know, or lacks memory.
bool export_state(SSL* ssl, const Conversation& conversation, const Transcript& transcript, TlsState& state);

}  // namespace baton::tls
