// How the keys of a generation follow from secrets: RFC 8446 7.1 to 7.3.
#pragma once

#include "common/shared/tls_state.h"

namespace baton::tls {

[[nodiscard]] std::size_t key_bytes(TlsAead aead);

// TLS 1.3: fills in key and iv from the traffic secret.
void derive_keys(const TlsState& state, TlsKeys& keys);

// TLS 1.3: fills in the keys of the generation after that of `keys`, as a KeyUpdate asks for. The same every time.
void derive_next(const TlsState& state, const TlsKeys& keys, TlsKeys& next);

}  // namespace baton::tls
