// What the master does for the connection table at every tick: it enforces deadlines, and repairs what a
// death may have left.
#pragma once

#include "common/config/config.h"
#include "common/shared/epoll_set.h"
#include "common/shared/segment.h"

namespace baton {

class Sweeper {
 public:
  Sweeper(Segment& segment, EpollSet epoll)
      : segment_(segment), epoll_(epoll), addresses_(segment.addresses()) {}

  // One pass over the slots in use. If a connection's deadline has passed, claims the connection, gives it
  // its verdict, shuts it down where no answer is due, and re-arms it: the event brings a worker, which does
  // the rest. The sweeper closes no descriptor. `expire_idle` (a graceful stop) also ends connections that
  // wait for a next request, and those that have had their last answer for a while.
  void sweep(Tick now, const TimeoutConfig& timeouts, bool expire_idle);

 private:
  void expire(int fd, Slot& slot, const Claim& seen, Tick now, const TimeoutConfig& timeouts,
              bool expire_idle);
  static SlotState end(int fd, Slot& slot, SlotState state, Tick now, const TimeoutConfig& timeouts,
                       bool passed);
  void correct_count(std::uint32_t counted);

  Segment& segment_;
  EpollSet epoll_;
  std::int64_t last_drift_ = 0;
  int drift_seen_ = 0;
  AddressAudit addresses_;
  std::uint32_t sweeps_ = 0;
};

}  // namespace baton
