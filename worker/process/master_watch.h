// What a worker does about the death of its master.
#pragma once

#include <sys/types.h>

#include <cstdint>

#include "common/shared/epoll_set.h"
#include "common/shared/segment.h"

namespace baton {

// When its master dies, a worker finishes the event in hand and ends. The kernel signals it
// (PR_SET_PDEATHSIG). But in epoll_pwait(2) a ready event wins over a pending signal, so a busy worker would
// not take the signal for a long time. So a worker also asks for its parent every 100 ms.
//
// The first worker that notices sets MasterState::kEnding for the others, and closes the listeners for all of
// them. So the addresses are free for a new server while the last requests are still being finished.
//
// One per worker, for its event thread.
class MasterWatch {
 public:
  MasterWatch(Segment& segment, const EpollSet& epoll)
      : segment_(segment),
        epoll_(epoll),
        master_(segment.header().master_pid.load(std::memory_order_relaxed)) {}

  // Calls look_now() if 100 ms have passed. `now_ns` is of monotonic_ns().
  void look(std::uint64_t now_ns) {
    if (now_ns - looked_ns_ < kIntervalNs) return;
    looked_ns_ = now_ns;
    look_now();
  }
  void look_now();

 private:
  static constexpr std::uint64_t kIntervalNs = 100'000'000;

  Segment& segment_;
  EpollSet epoll_;
  pid_t master_;
  std::uint64_t looked_ns_ = 0;
};

}  // namespace baton
