// The one epoll set that every worker waits on.
#pragma once

#include <signal.h>
#include <sys/epoll.h>

#include <cstdint>
#include <optional>

#include "common/base/unique_fd.h"
#include "common/shared/connection_table.h"
#include "common/shared/handshake_sets.h"

namespace baton {

// What epoll returns: the descriptor, and the generation of the connection under that number.
struct EpollKey {
  std::uint32_t generation = 0;
  std::uint32_t fd = 0;

  [[nodiscard]] constexpr std::uint64_t pack() const { return std::uint64_t{generation} << 32 | fd; }
  static constexpr EpollKey unpack(std::uint64_t word) {
    return {static_cast<std::uint32_t>(word >> 32), static_cast<std::uint32_t>(word)};
  }
};

// Clients are registered EPOLLET | EPOLLONESHOT: an armed client is reported once, to one process, and then
// not again until rearm(). Listeners are registered EPOLLET and never EPOLLONESHOT: such a listener would
// accept a single burst and go deaf.
//
// A connection whose TLS handshake lasts is in its keyholder's set instead: all calls go there by themselves.
// The listeners of TLS are in no set until a keyholder adds them to its own; add() and rearm() leave them alone.
//
// Any process that shares the descriptor table may make any call. This is a view: the master owns the
// descriptors.
class EpollSet {
 public:
  EpollSet() = default;
  EpollSet(int fd, ConnectionTable table, const HandshakeSets* handshakes = nullptr)
      : fd_(fd), table_(table), handshakes_(handshakes) {}

  // The set of the keyholder with this index, for waiting in it.
  [[nodiscard]] EpollSet of_keyholder(std::size_t index) const {
    return {handshakes_->fds[index], table_, handshakes_};
  }

  [[nodiscard]] int fd() const { return fd_; }

  // Registers a client or a listener according to its slot's state, unless another process already has.
  // Returns 0 or an errno (ENOSPC, ENOMEM).
  [[nodiscard]] int add(int fd) const;

  // Arms `fd` again according to its slot's state; the caller has just released the slot. EPOLL_CTL_MOD
  // polls the descriptor itself, so an event that came meanwhile is reported at once. Harmless for a slot
  // that is not armed. Adds a client that is armed but not in the set, because the worker that accepted it
  // died in between.
  void rearm(int fd) const;

  // For the holder, before it releases the slot as `state`. The number cannot be another connection's yet,
  // so there is no second look, as in rearm(). ConnectionTable::release() says whether an event came too
  // early, or a rearm() too late.
  void arm(int fd, std::uint32_t generation, SlotState state) const;

  void remove(int fd) const;

  // Wakes one waiting process if an event is queued, and collects nothing. It is needed because a process
  // that was woken for the event may have died or been stopped before it collected it, and EPOLL_CTL_MOD
  // wakes no process for an event that is queued already.
  void nudge() const;

  // Waits for one event: a process must never sit on events that it is not handling. Signals in `mask` stay
  // blocked. Returns nothing after `timeout_ms` milliseconds, or when a signal came.
  std::optional<EpollKey> wait(int timeout_ms, const sigset_t* mask) const;

 private:
  // The set that `fd` belongs into; -1: none.
  [[nodiscard]] int set_of(int fd, const Claim& claim) const;

  int fd_ = -1;
  ConnectionTable table_;
  const HandshakeSets* handshakes_ = nullptr;
};

}  // namespace baton
