// What is done for the connections after a worker is gone: killed, crashed or retired.
#pragma once

#include <cstdint>
#include <vector>

#include "common/config/config.h"
#include "common/shared/epoll_set.h"
#include "common/shared/segment.h"
#include "master/death.h"

namespace baton {

// Kicks: re-arms every listener and every armed connection, and tells the holders of all others. A woken
// worker that died before it collected its event left it queued with nobody awake. One that had collected it
// left the connection disarmed, or armed too early by a holder that was not told (EpollSet::arm()).
void kick(Segment& segment, const EpollSet& epoll);

// What became of a connection that a dead worker held.
enum class Outcome : std::uint8_t {
  kHandedOn,    // nothing of it was in hand, or a body or a parked response goes on where it was
  kBegunAgain,  // its request is still in the socket and is handled once more
  kResumed,     // its response was made: the rest is sent from the exact byte
  kAnswered,    // an error is sent in place of a response (500, or 504 after the watchdog)
  kClosed,      // it cannot be told how much was sent or taken, or the connection has cost too many workers
};

struct Recovered {
  int fd = -1;
  Outcome outcome = Outcome::kHandedOn;
};

// Hands on what the dead worker with this scoreboard entry held, then kicks; all of it before the entry is
// cleared. What the phase of a slot means for its heir:
//
//   kHead, kBody  nothing was sent. The request is begun again where it is idempotent or its handler had not
//                 begun: after a crash at most `limits.retries` times, then it is answered with 500; an
//                 operator's kill does not count as a crash. In a pipelined batch the requests before the one
//                 in hand are not blamed for it: the batch is served again one by one. After the watchdog:
//                 504.
//   kHandling     not to be begun again: 500, or 504 after the watchdog.
//   kResponse     the response stands in the dead worker's OutboxRecord, how much of it has been sent the
//                 kernel knows: the rest is parked, and what is left of the request consumed.
//   kParked       goes on at its exact byte.
//
// How far the input is taken is read from the kernel's counts as well. A Unix socket has none: such a
// connection is closed if the worker died while it moved bytes.
//
// Also gives up the dead worker's pin and half-filled open-file entries and writes out its access log lines.
std::vector<Recovered> recover(Segment& segment, const EpollSet& epoll, Holder dead, const Death& death,
                               const Config& config, int access_log_fd);

}  // namespace baton
