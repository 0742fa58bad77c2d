// The one epoll set that every worker waits on.
#pragma once

#include <signal.h>
#include <sys/epoll.h>

#include <cstdint>
#include <optional>

#include "common/base/unique_fd.h"
#include "common/shared/connection_table.h"

namespace baton {

// What epoll hands back: which descriptor, and which of the connections that this number has had.
struct EpollKey {
  std::uint32_t generation = 0;
  std::uint32_t fd = 0;

  [[nodiscard]] constexpr std::uint64_t pack() const { return std::uint64_t{generation} << 32 | fd; }
  static constexpr EpollKey unpack(std::uint64_t word) {
    return {static_cast<std::uint32_t>(word >> 32), static_cast<std::uint32_t>(word)};
  }
};

struct EpollEvent {
  EpollKey key;
  std::uint32_t events = 0;
};

// Clients are EPOLLET | EPOLLONESHOT: an armed one is reported once, to one process, and then not again until
// rearm(). Listeners are EPOLLET and never ONESHOT: one with ONESHOT would accept a single burst and go deaf.
// All calls may be made by any process that shares the descriptor table. A view: the master keeps the
// descriptor.
class EpollSet {
 public:
  EpollSet() = default;
  EpollSet(int fd, ConnectionTable table) : fd_(fd), table_(table) {}

  [[nodiscard]] int fd() const { return fd_; }

  // Registers a client or a listener according to its slot's state, if nobody has. Returns 0 or an errno
  // (ENOSPC, ENOMEM).
  [[nodiscard]] int add(int fd) const;

  // Arms `fd` again according to its slot's state, which the caller has just released. EPOLL_CTL_MOD polls
  // the descriptor itself, so whatever arrived meanwhile is reported at once. Harmless for a slot that is not
  // armed. A client that is armed and not in the set, because who accepted it died in between, is added.
  void rearm(int fd) const;

  // By the holder, before it releases the slot as `state`: the number cannot be another connection's yet, so
  // there is nothing to look at again. ConnectionTable::release() says whether an event came too early.
  void arm(int fd, std::uint32_t generation, SlotState state) const;

  void remove(int fd) const;

  // Wakes one waiting process if an event is queued: one that was woken for it may have died or been stopped
  // before it collected it, and MOD wakes nobody for an event that is queued already. Collects nothing.
  void nudge() const;

  // Waits for one event: a process must never sit on events it is not handling. Signals in `mask` stay
  // blocked. Nothing after `timeout_ms`, or when a signal came.
  std::optional<EpollEvent> wait(int timeout_ms, const sigset_t* mask) const;

 private:
  int fd_ = -1;
  ConnectionTable table_;
};

}  // namespace baton
