// Room at max_connections: instead of having everybody wait until somebody leaves, the connections that are
// worth least are closed.
#pragma once

#include <cstdint>
#include <vector>

#include "worker/process/context.h"

namespace baton {

// One per worker. Only connections that the server owes nothing go, in this order, of each kind the one that
// has been so for longest first:
//
//   1. those that have said nothing since they were made, 0.2 s ago or more: whoever has a question asks it;
//   2. those that wait for their next request;
//   3. those whose request head has been arriving for 0.2 s or more, and those that were shown out a second
//   ago.
//
// They are found by a pass over all slots that keeps the best ones for later, so that a single one costs
// little. What is found is a hint: a victim is claimed like by any worker, and looked at again, before it is
// closed.
class Evictor {
 public:
  explicit Evictor(const WorkerContext& context) : context_(context) {}

  // Closes one connection. False: there is none to be closed, or too much has been looked through in this
  // tick.
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
  Tick searched_ = 0;            // when last
  std::uint64_t looked_at_ = 0;  // slots, in that tick
};

}  // namespace baton
