// What a worker does about the death of its master.
#pragma once

#include <sys/types.h>

#include <cstdint>

#include "common/shared/epoll_set.h"
#include "common/shared/segment.h"

namespace baton {

// A worker whose master has died finishes the event it has in hand and ends. It is signalled
// (PR_SET_PDEATHSIG), but a ready event wins over a pending signal in epoll_pwait(2), so a busy worker would
// not take it for long: it also looks who its parent is, once in 100 ms.
//
// The first that notices puts the segment into MasterState::kEnding, for the others, and closes the
// listeners, for all of them: the addresses are free for a new server while the last request is still being
// finished.
class MasterWatch {
 public:
  MasterWatch(Segment& segment, const EpollSet& epoll)
      : segment_(segment),
        epoll_(epoll),
        master_(segment.header().master_pid.load(std::memory_order_relaxed)) {}

  // `now_ns`: monotonic_ns(). Costs nothing most of the time.
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
