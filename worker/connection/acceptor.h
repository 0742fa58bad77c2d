// Where connections begin and end: accept, the limit on how many there are, and close.
#pragma once

#include <sys/socket.h>

#include "worker/connection/evictor.h"
#include "worker/process/context.h"

namespace baton {

// An event for a listener. Accepts a bounded burst and re-arms the listener when more may be waiting, so that
// clients already connected are not starved. At max_connections somebody else is closed
// (worker/connection/evictor.h). Where nobody can be, or out of descriptors or memory, accepting pauses for
// all workers: the kernel's backlog holds who comes, and resume_accepting() goes on.
//
// Returns the last connection accepted, held by this worker and not in the epoll set yet, or -1: its request
// has often arrived already and is then served without another event. All others are in the set, and the
// listener is armed, before this returns: whatever that one request costs, it delays no one else.
int accept_burst(const WorkerContext& context, Evictor& evictor, int listener, std::uint64_t now_ns);

// Fills in a slot just opened. The deadline is stored last: one without is not filled in (master/recovery.h).
void fill_in(Slot& slot, SlotNotes& notes, const sockaddr_storage& peer, const AddressCounts& addresses,
             Tick now, const TimeoutConfig& timeouts);
// Recovery and batonctl look no further than the highest descriptor ever used.
void raise_highest(SegmentHeader& header, int fd);

// Puts a connection that this worker has released into the epoll set. Closes it if there is no memory for
// that.
void watch_connection(const WorkerContext& context, int fd);

// Closes a connection that this worker holds, with everything its slot owns, and lets a paused listener go
// on.
void close_connection(const WorkerContext& context, int fd);

// Re-arms every listener if accepting is paused and there is room. Called after a close.
void resume_accepting(const Segment& segment, const EpollSet& epoll);
// The same whether there is room or not. By the master's sweep.
void wake_listeners(const Segment& segment, const EpollSet& epoll);

}  // namespace baton
