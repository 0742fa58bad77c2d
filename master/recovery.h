// What the master does for the connections of a worker that is gone: killed, crashed or retired.
#pragma once

#include <cstdint>
#include <vector>

#include "common/config/config.h"
#include "common/shared/epoll_set.h"
#include "common/shared/segment.h"
#include "master/death.h"

namespace baton {

// Re-arms every listener and every armed connection, and tells the holders of all other connections. This is
// needed after every death:
// - A worker that was woken, but died before it collected its event, left the event queued with no worker
//   awake.
// - A worker that had collected its event left the connection disarmed, or armed too early by a holder that
//   was not told (EpollSet::arm()).
void kick(Segment& segment, const EpollSet& epoll);

// What became of a connection that a dead worker held.
enum class Outcome : std::uint8_t {
  kHandedOn,    // no request was in hand, or a body that was being received goes on where it was
  kBegunAgain,  // its request is handled once more: it is still in the socket or in the spool
  kResumed,     // its response was made: the rest is sent from the exact byte
  kAnswered,    // an error is sent in place of a response (500, or 504 after the watchdog)
  kClosed,      // how much was sent or taken cannot be told, or the connection has cost too many workers
};

struct Recovered {
  int fd = -1;
  Outcome outcome = Outcome::kHandedOn;
};

// Hands on the connections that the dead worker with this scoreboard entry held, then kicks. The caller
// clears the entry only afterwards. What is done in each phase of a slot:
//
//   kHead, kBody  Nothing was sent. The request is begun again if it is idempotent or its handler had not
//                 begun. After a crash that happens at most `limits.retries` times, then the answer is 500;
//                 a kill from outside does not count as a crash. In a pipelined batch the requests before
//                 the one in hand are not blamed for it: the batch is served again one by one. After the
//                 watchdog the answer is 504.
//   kHandling     The request must not be begun again: 500, or 504 after the watchdog.
//   kResponse     The response stands in the dead worker's OutboxRecord, and the kernel knows how much of it
//                 was sent. The rest is parked, and what is left of the request is consumed.
//   kParked       The response goes on at its exact byte.
//   kStreaming    The connection is closed.
//   kLingering    The connection goes on to its end.
//
// How much of the input was taken is read from the kernel's counts as well. A Unix socket has no such counts:
// its connection is closed if the worker died while it moved bytes.
//
// Also gives up the dead worker's pin, permits and half-filled open-file entries, and writes out its access
// log lines.
std::vector<Recovered> recover(Segment& segment, const EpollSet& epoll, Holder dead, const Death& death,
                               const Config& config, int access_log_fd);

}  // namespace baton
