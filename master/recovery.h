// What is done for the connections after a worker is gone: killed, crashed or retired.
#pragma once

#include "common/epoll_set.h"
#include "common/segment.h"

namespace baton {

// Kicks: re-arms every listener and every armed connection. A woken worker that died before it collected its
// event left it queued with nobody awake; one that had collected it left the connection disarmed.
void kick(Segment& segment, const EpollSet& epoll);

// Hands on what the dead worker with this scoreboard entry held, then kicks. A request that nothing was
// answered to is still in its socket and is begun again, at most `retries` times, then answered with 500; a
// parked response goes on at its exact byte; a connection in the middle of a response that was not parked is
// closed. Also gives up its half-filled open-file entries and writes out its access log lines.
void recover(Segment& segment, const EpollSet& epoll, Holder dead, std::uint32_t retries, int access_log_fd);

}  // namespace baton
