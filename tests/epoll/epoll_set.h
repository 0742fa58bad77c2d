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
// baton's mode for a client that is being read.
inline constexpr std::uint32_t kOneshot = kEdge | EPOLLONESHOT;
inline constexpr std::uint32_t kParkedWrite = EPOLLOUT | EPOLLET | EPOLLONESHOT;

// One report of epoll_wait. It fits the 64 bits of an Actor's result.
struct Report {
  int fd = -1;  // -1: nothing was reported
  std::uint32_t events = 0;
  static Report of(std::int64_t packed) { return std::bit_cast<Report>(packed); }
  [[nodiscard]] std::int64_t packed() const { return std::bit_cast<std::int64_t>(*this); }
};

// The test makes this before any process that waits on it. Each waiting process asks for one event at a time.
class EpollSet {
 public:
  EpollSet();

  // EPOLL_CTL_ADD, EPOLL_CTL_MOD and EPOLL_CTL_DEL. Each returns 0 or the errno value.
  int add(int fd, std::uint32_t events) const { return control(EPOLL_CTL_ADD, fd, events); }
  int rearm(int fd, std::uint32_t events) const { return control(EPOLL_CTL_MOD, fd, events); }
  int remove(int fd) const { return control(EPOLL_CTL_DEL, fd, 0); }

  // Collects one report and counts it. Interrupted waits start again.
  [[nodiscard]] Report next(int timeout_ms = kGuardMs) const;
  // How many reports of `fd` all processes together have collected.
  [[nodiscard]] std::uint32_t reports(int fd) const { return (*counters_)[index(fd)].load(); }

  // Whether `fd`, which was added with EPOLLONESHOT, has not been reported since it was last armed. This asks
  // the kernel, so it includes a report whose process died before it could count it.
  [[nodiscard]] bool armed(int fd) const;

  // The fence is a descriptor of the same set; raising it makes it ready. The ready list is first in, first
  // out: a process that collects the fence proves that nothing was queued before the fence was raised.
  void raise_fence() const;
  [[nodiscard]] int fence() const { return fence_.get(); }
  // Raises the fence and collects one report: true if that is the fence. Only while no other process waits on
  // the set.
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
// The report with which the actor's wait ended.
[[nodiscard]] Report collected(Actor& actor);
// Waits and collects, for a report that is already due.
[[nodiscard]] Report collects(Actor& actor, const EpollSet& set);

}  // namespace baton::facts
