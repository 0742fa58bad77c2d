// Makes room at max_connections: closes the connections that are worth least, so that new clients need not
// wait until others leave.
#pragma once

#include <cstdint>
#include <vector>

#include "worker/process/context.h"

namespace baton {

// One per worker, for its event thread. Only connections that the server owes nothing are closed. They go in
// this order; within a kind, the one that has been so for longest goes first:
//
//   1. accepted 0.2 s ago or more, and silent since: a client with a request would have sent it;
//   2. idle between two requests;
//   3. slow: the head has been arriving for 0.2 s or more, or the connection has lingered for 1 s or more.
//
// A pass over all slots finds victims, and keeps the best ones for later calls, so that each costs little.
// A pass reads slots without their claims, so a victim is only a hint. The worker claims it as for an event,
// and looks at it again, before it closes it.
class Evictor {
 public:
  explicit Evictor(const WorkerContext& context) : context_(context) {}

  // Closes one connection. False: no connection may go, or passes have looked at 100,000 slots in this tick,
  // or this worker must not change the descriptor table now. `now_ns` is of monotonic_ns().
  bool make_room(std::uint64_t now_ns);

 private:
  struct Victim {
    std::uint64_t rank = 0;  // lower goes first
    int fd = -1;
    std::uint32_t generation = 0;
  };

  bool may_search(Tick now);
  void search(Tick now);
  bool close_one(Tick now);
  bool close(const Victim& victim, Tick now);
  [[nodiscard]] std::uint64_t rank_of(const Slot& slot, Tick now) const;

  const WorkerContext& context_;
  std::vector<Victim> victims_;  // the best one last
  Tick searched_ = 0;            // tick of the last pass
  std::uint64_t looked_at_ = 0;  // slots that passes have looked at in that tick
};

}  // namespace baton
