// Keeps the descriptor table unchanged for the time of an execve(2).
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
// (common/shared/descriptor_motion.h): from then on none of them changes the table. A descriptor is in motion
// for microseconds, but the process may be stopped meanwhile. If one worker stays in motion for `patience`,
// the freeze is lifted, and the result says which worker it was. Does not wait for a worker that has died.
//
// Thread and process safety
//   Only the master may call this. It must not change the table either, until it calls thaw() or execve(2).
std::optional<std::string> freeze(Segment& segment, const EpollSet& epoll,
                                  const std::vector<const WorkerProcess*>& workers,
                                  std::chrono::milliseconds patience);

// Lifts the freeze, then kicks (master/recovery.h), because workers left alone the events that they were
// given meanwhile.
void thaw(Segment& segment, const EpollSet& epoll);

}  // namespace baton
