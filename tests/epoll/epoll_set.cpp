#include "tests/epoll/epoll_set.h"

#include <gtest/gtest.h>
#include <sys/eventfd.h>

#include <cerrno>
#include <fstream>
#include <string>

namespace baton::facts {

EpollSet::EpollSet()
    : set_(::epoll_create1(EPOLL_CLOEXEC)), fence_(::eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)) {
  // Edge-triggered and never read: each raise is one report.
  EXPECT_EQ(add(fence_.get(), EPOLLIN | EPOLLET), 0);
}

int EpollSet::control(int operation, int fd, std::uint32_t events) const {
  epoll_event event{.events = events, .data = {.fd = fd}};
  return ::epoll_ctl(set_.get(), operation, fd, &event) == 0 ? 0 : errno;
}

Report EpollSet::next(int timeout_ms) const {
  epoll_event event{};
  int count = 0;
  do count = ::epoll_wait(set_.get(), &event, 1, timeout_ms);
  while (count < 0 && errno == EINTR);
  if (count != 1) return {};
  const int fd = event.data.fd;
  (*counters_)[index(fd)].fetch_add(1);
  return {.fd = fd, .events = event.events};
}

bool EpollSet::armed(int fd) const {
  std::ifstream info("/proc/self/fdinfo/" + std::to_string(set_.get()));
  std::string word;
  while (info >> word) {
    int number = -1;
    std::uint32_t events = 0;
    if (word == "tfd:" && info >> number >> word >> std::hex >> events >> std::dec && number == fd)
      return (events & (EPOLLIN | EPOLLOUT)) != 0;
  }
  return false;
}

void EpollSet::raise_fence() const {
  EXPECT_EQ(::eventfd_write(fence_.get(), 1), 0);
}

bool EpollSet::silent() const {
  raise_fence();
  return next().fd == fence_.get() && next(0).fd == -1;
}

bool waits_in(Actor& actor, const EpollSet& set) {
  actor.start([set = &set] { return set->next().packed(); });
  return actor.falls_asleep();
}

Report collected(Actor& actor) {
  return Report::of(actor.finish());
}

Report collects(Actor& actor, const EpollSet& set) {
  return Report::of(actor.run([set = &set] { return set->next().packed(); }));
}

}  // namespace baton::facts
