// Decides which requests for modules may hold a worker now. A handler that is not known to be quick needs one
// of `[limits] module_workers` places. So some worker is always left for everything else.
//
//   ask() -- quick, or a place is free --> handler runs --> done(): gives the place back,
//    |                                          ^                   re-arms the first in the line
//    |                                          | asks again                |
//    +-- no place is free --> in the line, held by no worker <--------------+
//    |                           |
//    +-- the line is full        +-- its time is over (the master's sweep) --> 503
//          --> 503
//
// Invariants
//
// (1) Nothing of a request is consumed or begun before it has a place.
// (2) A connection whose request waits is ARMED in its slot, like one that waits for its client. But it is
//     not armed in the epoll set: its request is in the socket, so the event would come at once.
// (3) Any process may re-arm a waiting connection at any time. At worst its request finds that it has to
//     wait on. So after a worker's death, at whatever step, the usual kick is enough.
#pragma once

#include "common/shared/module_places.h"
#include "worker/app/module.h"
#include "worker/process/context.h"

namespace baton::h1 {

// One per worker, for the event thread.
class Admission {
 public:
  enum class Answer : std::uint8_t { kGo, kWait, kRefuse };

  explicit Admission(const WorkerContext& context);

  // Asks for a place for the request of a connection that this worker holds.
  //   kGo      The handler may run. The caller calls done() when it has ended.
  //   kWait    The connection is in the line, with its deadline set. The caller releases it, then calls
  //            has_its_turn().
  //   kRefuse  The line is full, or the request has waited for its time.
  // `waits_until`: the deadline of a request that has waited already, else nothing.
  Answer ask(const app::Endpoint& endpoint, int fd, Slot& slot, Tick now, std::optional<Tick> waits_until);
  // Gives the place back, if the request has one. `ns`: how long the handler ran, in nanoseconds; nothing if
  // it was not begun.
  void done(const app::Endpoint& endpoint, std::optional<std::uint64_t> ns = {});

  // Takes a connection out of the line, because a worker has claimed it.
  void leave_line(int fd) { places_.line.remove(fd); }
  // Call after a waiting connection has been released. True: the caller re-arms it at once, because a place
  // became free before every worker could see that the connection waits.
  [[nodiscard]] bool has_its_turn(int fd) const;
  // Re-arms the first in the line if a place is free. Call it after anything that could have used up a turn.
  void call_next() const;

 private:
  [[nodiscard]] bool known_as_quick(const app::Endpoint& endpoint) const { return !speed(endpoint).slow(); }
  [[nodiscard]] HandlerSpeed& speed(const app::Endpoint& endpoint) const {
    return places_.speed(context_.generation, endpoint.number);
  }
  [[nodiscard]] bool waits(int fd) const;
  void give_back();

  const WorkerContext& context_;
  ModulePlaces& places_;
  std::uint32_t most_;  // how many places there are
  bool has_place_ = false;
};

}  // namespace baton::h1
