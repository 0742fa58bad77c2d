// Where connections begin and end: accept, the limit on how many there are, and close.
#pragma once

#include <sys/socket.h>

#include "worker/connection/evictor.h"
#include "worker/process/context.h"

namespace baton {

// Handles an event of a listener. Accepts up to 16 clients (a keyholder one, at an event of a TLS listener), and re-arms the listener if more may wait. So
// clients that are connected already do not starve. At max_connections it closes another connection
// (worker/connection/evictor.h). If no connection may go, or there are no descriptors or no memory, all
// workers stop accepting: the kernel's backlog holds new clients until resume_accepting().
//
// Returns the connection that was accepted last, or -1. This worker holds that connection, and it is not in
// the epoll set yet: its request has often arrived already, and can be served without another event. Before
// this returns, all other connections are in the set and the listener is armed. So the one request delays no
// other client, whatever it costs.
int accept_burst(const WorkerContext& context, Evictor& evictor, int listener, std::uint64_t now_ns);

// Fills in a slot that has just been opened. The deadline is stored last, so a slot without a deadline is not
// filled in (master/recovery.h).
void fill_in(Slot& slot, SlotNotes& notes, const sockaddr_storage& peer, const AddressCounts& addresses,
             Tick now, const TimeoutConfig& timeouts);
// Raises the highest descriptor ever used to `fd`. Recovery and batonctl look no further than that.
void raise_highest(SegmentHeader& header, int fd);

// Puts a connection that this worker has released into the epoll set. If the kernel has no memory for that,
// closes it.
void watch_connection(const WorkerContext& context, int fd);

// Closes a connection that this worker holds, with everything that its slot owns, then calls
// resume_accepting().
void close_connection(const WorkerContext& context, int fd);

// Re-arms every listener if accepting is paused and there is room. Call after a connection was closed.
void resume_accepting(const Segment& segment, const EpollSet& epoll);
// The same, whether there is room or not. For the master's sweep.
void wake_listeners(const Segment& segment, const EpollSet& epoll);

}  // namespace baton
