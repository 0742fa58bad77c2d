// What the master does for TLS: memory for connections, the sets of keyholders, and handshakes whose keyholder is gone.
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <stdexcept>

#include "common/base/log.h"
#include "master/master.h"
#include "worker/tls/openssl.h"

namespace baton {

void Master::prepare_tls(const Config& config) {
  if (!config.any_tls()) return;
  tls::prepare_openssl();
  if (!tls_) tls_ = TlsTable::create(segment_.connections().size());
}

// Opened before the keyholder is cloned, so that the set outlives it.
bool Master::open_handshake_set(WorkerProcess& keyholder) {
  auto& sets = handshake_sets_.fds;
  const auto free = std::find(sets.begin(), sets.end(), -1);
  if (free == sets.end()) {
    errno = EAGAIN;
    return false;
  }
  *free = ::epoll_create1(EPOLL_CLOEXEC);
  if (*free < 0) return false;
  keyholder.handshake_set = static_cast<std::size_t>(free - sets.begin());
  return true;
}

std::optional<std::size_t> Master::a_handshake_set() const {
  for (const WorkerProcess& worker : current_->workers)
    if (worker.handshake_set != kMaxHandshakeSets) return worker.handshake_set;
  return std::nullopt;
}

void Master::rotate_tickets(std::uint64_t now_ns) {
  constexpr auto kLifetimeNs = static_cast<std::uint64_t>(kTicketLifetimeSeconds) * 1'000'000'000;
  if (!tls_) return;
  if (tickets_rotated_ns_ == 0) tickets_rotated_ns_ = now_ns;
  if (now_ns - tickets_rotated_ns_ < kLifetimeNs) return;
  tickets_rotated_ns_ = now_ns;
  try {
    TlsTable::tickets().rotate();
  } catch (const std::runtime_error& error) {
    log::error("{}; going on with the old keys of session tickets", error.what());
  }
}

// Once no process of the generation is left.
void Master::close_handshake_sets(Generation& generation) {
  bool closed = false;
  for (WorkerProcess& worker : generation.workers) {
    if (worker.handshake_set == kMaxHandshakeSets) continue;
    ::close(handshake_sets_.fds[worker.handshake_set]);
    handshake_sets_.fds[worker.handshake_set] = -1;
    worker.handshake_set = kMaxHandshakeSets;
    closed = true;
  }
  if (closed) move_handshakes();
}

// Gives the handshakes whose set is gone to keyholders of the serving generation, which repeat them. After an upgrade
// no handshake of before is in a set of ours, whatever its index says. To add one that is there wakes its keyholder
// for nothing.
void Master::move_handshakes() {
  if (!tls_) return;
  const ConnectionTable table = segment_.connections();
  const int highest = segment_.highest_fd();
  for (int fd = 0; fd <= highest; ++fd) {
    const Claim claim = table.claim(fd);
    if (claim.role != SlotRole::kHandshake || !claim.armed()) continue;
    TlsState& state = TlsTable::at(fd);
    const bool has_set = state.keyholder < kMaxHandshakeSets && handshake_sets_.fds[state.keyholder] >= 0;
    if (!has_set) {
      if (!table.try_claim(fd, claim.generation, kMasterHolder)) continue;
      if (const auto set = a_handshake_set()) {
        state.keyholder = static_cast<std::uint8_t>(*set);
      } else {
        table.make_client(fd);  // the new configuration has no TLS: a worker closes it
      }
      table.release(fd, SlotState::kArmedWrite);
    }
    if (epoll_.add(fd) != 0) epoll_.rearm(fd);
  }
}

}  // namespace baton
