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
  bool listens = true;       // false: only bound so far
  std::uint64_t end_ns = 0;  // for a listener that is not wanted any more: when its next step is due

  // Whether this listener is what the entry of a configuration asks for, however the entry is written.
  [[nodiscard]] bool is(const ListenConfig& wanted) const;
};

// The listeners over reloads. A reload first binds the new ones; it drops the old ones only when the new
// generation is ready.
//
//            prepare()             commit()             commit()               close_due()
//   (bound) ---------> prepared_ ---------> active_ ---------------> removed_ ------------> closed
//                          ^                                            |
//                          +---------- prepare(): wanted again ---------+
//
// No client notices:
// - A listener that is not wanted any more refuses clients that have not begun to connect. It is watched for
//   another second, for those that have begun. A reload can take it back meanwhile.
// - A new address may exclude an old one, as "*:80" and "127.0.0.1:80" exclude each other. Then the new
//   socket is only bound at first (master/port_sharing.h), and commit() makes it listen.
// - "127.0.0.1:80" stays when "*:80" comes, as a part of it: closing it would cut off clients that are
//   connecting.
class Listeners {
 public:
  Listeners(Segment& segment, EpollSet epoll) : segment_(segment), epoll_(epoll) {}

  // In a program that an upgrade has executed: takes the sockets over, each in the stage that it was in. Must
  // be called before all other functions.
  void adopt(const std::vector<UpgradeState::Listener>& listeners);
  // Returns what adopt() needs.
  [[nodiscard]] std::vector<UpgradeState::Listener> state() const;

  // Binds the addresses in `wanted` that are not bound yet. Throws std::runtime_error with file:line:column
  // and the reason; then nothing has changed.
  void prepare(const std::string& file, const std::vector<ListenConfig>& wanted);
  // Closes what prepare() bound.
  void abandon();
  // Watches what prepare() bound, and begins to end the listeners that are not wanted any more. Throws
  // std::runtime_error if one of the new ones cannot listen after all; everything else is done even then.
  void commit();
  // To be called now and then: takes the next step with each listener whose time has come. While
  // `others_serve` it closes no descriptor: a worker of an old generation may be about to accept from it.
  void close_due(std::uint64_t now_ns, bool others_serve);

  // Stops listening altogether; the descriptors stay open until close_removed().
  void close_all();
  void close_removed();

  // To be called at every tick: marks a listener's slot again if it does not say any more that it is a
  // listener's, as after a wild write.
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
  // From now on no process accepts a client from it, whether it shares our descriptor or has one of its own.
  void unwatch(Listener& listener) const;

  Segment& segment_;
  EpollSet epoll_;
  std::vector<Listener> active_;
  std::vector<Listener> prepared_;
  std::vector<ListenConfig> wanted_;
  std::vector<Listener> removed_;
};

}  // namespace baton
