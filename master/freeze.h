// Keeping the descriptor table as it is for the time of an execve(2).
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <vector>

#include "common/shared/epoll_set.h"
#include "common/shared/segment.h"
#include "master/generation.h"

namespace baton {

// Sets SegmentHeader::frozen and waits until each of `workers` has been seen without a descriptor in motion
// (common/shared/descriptor_motion.h): from then on none of them changes the table. Such stretches take
// microseconds, but a process may be stopped in one. If one stays in it for `patience` the freeze is lifted,
// and what is returned says which. A worker that has died is not waited for.
//
// The caller is the master, and must not change the table either. Afterwards comes thaw(), or execve(2).
std::optional<std::string> freeze(Segment& segment, const EpollSet& epoll,
                                  const std::vector<const WorkerProcess*>& workers,
                                  std::chrono::milliseconds patience);

// Lifts the freeze, then kicks (master/recovery.h): events that workers were given meanwhile were left alone.
void thaw(Segment& segment, const EpollSet& epoll);

}  // namespace baton
