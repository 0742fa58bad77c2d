// The epoll set under test, with counters that all processes share and a fence to prove silence.
#pragma once

#include <sys/epoll.h>

#include <array>
#include <atomic>
#include <bit>
#include <cstdint>

#include "common/base/unique_fd.h"
#include "tests/epoll/processes.h"

namespace baton::facts {

inline constexpr std::uint32_t kLevel = EPOLLIN | EPOLLRDHUP;
inline constexpr std::uint32_t kEdge = kLevel | EPOLLET;
inline constexpr std::uint32_t kOneshot =
    kEdge | EPOLLONESHOT;  // baton's mode for a client that is being read
inline constexpr std::uint32_t kParkedWrite = EPOLLOUT | EPOLLET | EPOLLONESHOT;

// One report of epoll_wait. Travels through an Actor's result as 64 bits.
struct Report {
  int fd = -1;  // -1: nothing was reported
  std::uint32_t events = 0;
  static Report of(std::int64_t packed) { return std::bit_cast<Report>(packed); }
  [[nodiscard]] std::int64_t packed() const { return std::bit_cast<std::int64_t>(*this); }
};

// Made by the test before any process that waits on it. Each waiting process asks for one event at a time.
class EpollSet {
 public:
  EpollSet();

  // EPOLL_CTL_ADD, EPOLL_CTL_MOD and EPOLL_CTL_DEL: 0, or the errno value.
  int add(int fd, std::uint32_t events) const { return control(EPOLL_CTL_ADD, fd, events); }
  int rearm(int fd, std::uint32_t events) const { return control(EPOLL_CTL_MOD, fd, events); }
  int remove(int fd) const { return control(EPOLL_CTL_DEL, fd, 0); }

  // Collects one report and counts it. Interrupted waits start again.
  [[nodiscard]] Report next(int timeout_ms = kGuardMs) const;
  // How often any process collected a report of `fd`.
  [[nodiscard]] std::uint32_t reports(int fd) const { return (*counters_)[index(fd)].load(); }

  // Whether `fd`, added with EPOLLONESHOT, has not been reported since it was last armed: the kernel's own
  // word, which also knows of a report that its process did not live to count.
  [[nodiscard]] bool armed(int fd) const;

  // The fence is a descriptor of the same set that becomes ready when raised. The ready list is first in,
  // first out: a process that collects the fence proves that nothing was queued before it was raised.
  void raise_fence() const;
  [[nodiscard]] int fence() const { return fence_.get(); }
  // Raises the fence and collects it: true if it is all there is. Only while no other process waits on the
  // set.
  [[nodiscard]] bool silent() const;

  [[nodiscard]] int get() const { return set_.get(); }

 private:
  static constexpr std::size_t kMaxFd = 1024;
  using Counters = std::array<std::atomic<std::uint32_t>, kMaxFd>;
  static std::size_t index(int fd) { return static_cast<std::size_t>(fd) % kMaxFd; }
  [[nodiscard]] int control(int operation, int fd, std::uint32_t events) const;

  UniqueFd set_;
  UniqueFd fence_;
  Shared<Counters> counters_;
};

// Starts a wait for one event in `actor` and returns once it sleeps in epoll_wait; false if it did not sleep.
[[nodiscard]] bool waits_in(Actor& actor, const EpollSet& set);
// The report that the actor's wait ended with.
[[nodiscard]] Report collected(Actor& actor);
// Both: for a report that is already due.
[[nodiscard]] Report collects(Actor& actor, const EpollSet& set);

}  // namespace baton::facts
