// The listening sockets.
#pragma once

#include <string>
#include <vector>

#include "common/config.h"
#include "common/epoll_set.h"
#include "common/segment.h"
#include "common/unique_fd.h"
#include "master/upgrade_state.h"

namespace baton {

struct Listener {
  ListenConfig config;
  UniqueFd fd;
  Address bound;  // with the real port
  bool watched = false;
};

// What a reload does to the listeners: bind what is new first, and only when the new generation is ready drop
// what is gone.
class Listeners {
 public:
  Listeners(Segment& segment, EpollSet epoll) : segment_(segment), epoll_(epoll) {}

  // Before anything else, in a program that an upgrade has executed: takes the sockets over, as they stood.
  void adopt(const std::vector<UpgradeState::Listener>& listeners);
  // What adopt() wants.
  [[nodiscard]] std::vector<UpgradeState::Listener> state() const;

  // Binds those of `wanted` that are not bound yet. Throws std::runtime_error with file:line:column and the
  // reason; then nothing has changed.
  void prepare(const std::string& file, const std::vector<ListenConfig>& wanted);
  // Forgets what prepare() bound.
  void abandon();
  // Watches what prepare() bound and stops watching what is not wanted any more; those descriptors stay open
  // until close_removed(), because a worker of the old generation may be about to accept from one.
  void commit();
  void close_removed();

  // Stops listening altogether.
  void close_all();

  [[nodiscard]] bool owns(int fd) const;
  [[nodiscard]] const std::vector<Listener>& all() const { return active_; }

 private:
  void publish() const;
  // No client is accepted from it any more, by whatever process has a descriptor of it.
  void unwatch(Listener& listener) const;

  Segment& segment_;
  EpollSet epoll_;
  std::vector<Listener> active_;
  std::vector<Listener> prepared_;
  std::vector<ListenConfig> wanted_;
  std::vector<Listener> removed_;
};

}  // namespace baton
