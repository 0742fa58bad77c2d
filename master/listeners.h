// The listening sockets.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "common/base/unique_fd.h"
#include "common/config/config.h"
#include "common/shared/epoll_set.h"
#include "common/shared/segment.h"
#include "master/upgrade_state.h"

namespace baton {

struct Listener {
  ListenConfig config;
  UniqueFd fd;
  Address bound;  // with the real port
  bool watched = false;
  bool listens = true;       // false: only bound as yet
  std::uint64_t end_ns = 0;  // of one that is not wanted any more: when its next step is due

  // Whether it is what this entry of a configuration asks for, however that is written.
  [[nodiscard]] bool is(const ListenConfig& wanted) const;
};

// What a reload does to the listeners: bind what is new first, and only when the new generation is ready drop
// what is gone.
//
//            prepare()             commit()             commit()               close_due()
//   (bound) ---------> prepared_ ---------> active_ ---------------> removed_ ------------> closed
//                          ^                                            |
//                          +---------- prepare(): wanted again ---------+
//
// No client notices. One that is not wanted any more lets nobody in who has not begun to connect, and is
// watched for another second, for those who have. It can be taken back meanwhile. What is new may exclude
// what is there, as "*:80" does "127.0.0.1:80": then it is only bound at first (master/port_sharing.h), and
// listens when commit() drops the other one. "127.0.0.1:80" stays when "*:80" comes, as a part of it: to
// close it would cut off who is connecting.
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
  // Watches what prepare() bound, and begins to end what is not wanted any more. Throws std::runtime_error
  // when one of the new ones cannot be had after all; everything else is done then.
  void commit();
  // To be called now and then: ends what is due. A descriptor is not closed before its time, nor while
  // `others_serve`: a worker of an old generation may be about to accept from one.
  void close_due(std::uint64_t now_ns, bool others_serve);

  // Stops listening altogether; the descriptors stay open until close_removed().
  void close_all();
  void close_removed();

  // At every tick: those whose slot does not say any more that it is a listener's, as after a wild write, say
  // so again.
  void mark();

  [[nodiscard]] bool owns(int fd) const;
  [[nodiscard]] const std::vector<Listener>& all() const { return active_; }

 private:
  void publish() const;
  Listener bind_one(const std::string& file, const ListenConfig& config);
  [[nodiscard]] std::vector<int> on_port(std::uint16_t port) const;
  int begin_listening(Listener& listener) const;  // 0 or errno
  [[nodiscard]] bool stays(const Listener& listener, std::size_t& room) const;
  void end(Listener&& listener);
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
