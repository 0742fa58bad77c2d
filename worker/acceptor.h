// Where connections begin and end: accept, the limit on how many there are, and close.
#pragma once

#include "worker/context.h"

namespace baton {

// An event for a listener. Accepts a bounded burst and re-arms the listener when more may be waiting, so that
// clients already connected are not starved. At max_connections, or out of descriptors or memory, accepting
// pauses for all workers: the kernel's backlog holds who comes, and resume_accepting() goes on.
void accept_burst(const WorkerContext& context, int listener, std::uint64_t now_ns);

// Closes a connection that this worker holds, with everything its slot owns, and lets a paused listener go
// on.
void close_connection(const WorkerContext& context, int fd);

// Re-arms every listener if accepting is paused and there is room. Called after a close, and by the master's
// sweep in case whoever should have called it died.
void resume_accepting(SegmentHeader& header, const EpollSet& epoll);

}  // namespace baton
