// The epoll sets of the keyholders, one each. A slot names the set that its handshake is in by index
// (TlsState::keyholder).
#pragma once

#include <array>
#include <cstddef>

namespace baton {

constexpr std::size_t kMaxHandshakeSets = 64;

// The master's own. A worker has the copy of the moment at which it was cloned. -1: there is no such set.
struct HandshakeSets {
  std::array<int, kMaxHandshakeSets> fds;
  HandshakeSets() { fds.fill(-1); }
};

}  // namespace baton
