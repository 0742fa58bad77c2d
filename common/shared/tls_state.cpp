#include "common/shared/tls_state.h"

#include <string.h>  // explicit_bzero() of glibc

#include <new>

namespace baton {

TlsState::TlsState() : handshake{}, read_keys{}, write_keys{} {}

void reset(TlsState& state) {
  ::explicit_bzero(static_cast<void*>(&state), sizeof state);
  ::new (&state) TlsState;
}

}  // namespace baton
