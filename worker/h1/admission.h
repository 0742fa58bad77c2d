// Which requests for modules may hold a worker now. A handler that is not known to be quick needs one of
// `[limits] module_workers` places, so that some worker is always left for everything else:
//
//   ask -- quick, or a place is free --> the handler runs --> done: the place is given back, and
//    |                                         ^                    the first in the line re-armed
//    |                                         | asks again                   |
//    +-- none is free --> in the line, held by no worker <--------------------+
//    |                      |
//    +-- the line is full   +-- its time is over (the master's sweep) --> 503
//          --> 503
//
// Nothing of a request is consumed or begun before it has a place. One that waits is ARMED in its slot, as
// any that waits for its client, but not in the epoll set, where its event would come at once. Whoever wants
// to be sure that it is not forgotten re-arms it, at any time: it finds that it has to wait on, at most. So
// the kick after a worker's death is all that a death needs, at whatever step.
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

  // For a connection that this worker holds. kGo: done() is due when the handler has ended. kWait: it is in
  // the line, and is to be handed back with has_its_turn() to follow. `waits_until`: the deadline that it
  // waited for until now, or nothing.
  Answer ask(const app::Endpoint& endpoint, int fd, Slot& slot, Tick now, std::optional<Tick> waits_until);
  // `ns`: how long the handler took; nothing: it was not begun.
  void done(const app::Endpoint& endpoint, std::optional<std::uint64_t> ns = {});

  // Of a connection that waited: it has been taken up.
  void leave_line(int fd) { places_.line.remove(fd); }
  // One that waits has been handed back. True: it is to be re-armed at once, because a place became free
  // before all could see that it waits.
  [[nodiscard]] bool has_its_turn(int fd) const;
  // Re-arms the first in the line if there is a place for it. After whatever could have used up its turn.
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
  std::uint32_t most_;  // places
  bool has_place_ = false;
};

}  // namespace baton::h1
