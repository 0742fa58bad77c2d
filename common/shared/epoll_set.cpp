#include "common/shared/epoll_set.h"

#include <poll.h>

#include <cerrno>

#include "common/shared/tls_table.h"

namespace baton {

namespace {

constexpr int kMostLooks = 100;

// EPOLLRDHUP only while reading: without this, a client that has shut down its side and reads a long
// response would be reported at every re-arm.
std::uint32_t interest(SlotState state) {
  switch (state) {
    case SlotState::kArmedRead: return EPOLLIN | EPOLLRDHUP | EPOLLET | EPOLLONESHOT;
    case SlotState::kArmedWrite: return EPOLLOUT | EPOLLET | EPOLLONESHOT;
    case SlotState::kListener: return EPOLLIN | EPOLLET;
    case SlotState::kHeld:
    case SlotState::kFree: break;
  }
  return 0;
}

}  // namespace

int EpollSet::set_of(int fd, const Claim& claim) const {
  switch (claim.role) {
    case SlotRole::kClient:
    case SlotRole::kListener: return fd_;
    case SlotRole::kTlsListener: return -1;
    case SlotRole::kHandshake: break;
  }
  const std::size_t index = TlsTable::at(fd).keyholder;
  return handshakes_ != nullptr && index < kMaxHandshakeSets ? handshakes_->fds[index] : -1;
}

int EpollSet::add(int fd) const {
  const Claim claim = table_.claim(fd);
  if (claim.role == SlotRole::kTlsListener) return 0;
  epoll_event event{};
  event.events = interest(claim.state);
  event.data.u64 = EpollKey{claim.generation, static_cast<std::uint32_t>(fd)}.pack();
  if (::epoll_ctl(set_of(fd, claim), EPOLL_CTL_ADD, fd, &event) != 0) {
    if (errno != EEXIST) return errno;
    // Another process came first with its own re-arm, perhaps for an earlier connection.
    rearm(fd);
    return 0;
  }
  // The master's sweep may have held the slot just now, and may have re-armed it before the ADD.
  if (table_.claim(fd).pack() != claim.pack()) rearm(fd);
  return 0;
}

void EpollSet::rearm(int fd) const {
  // Between the look at the claim and the MOD, another process may have served, closed and reopened this
  // number. The MOD would then stamp a dead generation on the new connection, and every worker would ignore
  // its events. So look again, and repeat until the stamped generation is the current one. Each repetition
  // takes a whole connection's life, so the loop ends soon. The bound ends it where a worker that has gone
  // wrong writes to the slot without end.
  Claim claim = table_.claim(fd);
  for (int i = 0; i < kMostLooks && (claim.armed() || claim.state == SlotState::kListener); ++i) {
    epoll_event event{};
    event.events = interest(claim.state);
    event.data.u64 = EpollKey{claim.generation, static_cast<std::uint32_t>(fd)}.pack();
    // ENOENT: closed meanwhile, or its owner has yet to add it. If the owner died first, only this call
    // adds it.
    const int set = set_of(fd, claim);
    if (::epoll_ctl(set, EPOLL_CTL_MOD, fd, &event) != 0 && errno == ENOENT && claim.armed()) {
      ::epoll_ctl(set, EPOLL_CTL_ADD, fd, &event);
    }
    Claim now = table_.claim(fd);
    if (now.is_client() && now.state == SlotState::kHeld) {
      // Its holder may have armed it before this MOD, for something else. Either it sees this after its
      // release, or the release is seen here.
      table_.tell(fd);
      now = table_.claim(fd);
    }
    if (now.generation == claim.generation && (now.state == claim.state || !now.armed())) return;
    claim = now;
  }
}

void EpollSet::arm(int fd, std::uint32_t generation, SlotState state) const {
  epoll_event event{};
  event.events = interest(state);
  event.data.u64 = EpollKey{generation, static_cast<std::uint32_t>(fd)}.pack();
  ::epoll_ctl(set_of(fd, table_.claim(fd)), EPOLL_CTL_MOD, fd, &event);
}

void EpollSet::remove(int fd) const {
  ::epoll_ctl(set_of(fd, table_.claim(fd)), EPOLL_CTL_DEL, fd, nullptr);
}

// Polling the set itself passes the wake-up on: tests/epoll/ready_list_test.cpp.
void EpollSet::nudge() const {
  pollfd set{fd_, POLLIN, 0};
  ::poll(&set, 1, 0);
}

std::optional<EpollKey> EpollSet::wait(int timeout_ms, const sigset_t* mask) const {
  epoll_event event{};
  if (::epoll_pwait(fd_, &event, 1, timeout_ms, mask) != 1) return std::nullopt;
  return EpollKey::unpack(event.data.u64);
}

}  // namespace baton
