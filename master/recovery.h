// What is done for the connections after a worker is gone: killed, crashed or retired.
#pragma once

#include <cstdint>
#include <vector>

#include "common/epoll_set.h"
#include "common/segment.h"
#include "master/death.h"

namespace baton {

// Kicks: re-arms every listener and every armed connection. A woken worker that died before it collected its
// event left it queued with nobody awake; one that had collected it left the connection disarmed.
void kick(Segment& segment, const EpollSet& epoll);

// What became of a connection that a dead worker held.
enum class Outcome : std::uint8_t {
  kHandedOn,    // nothing of it was in hand, or a body or a parked response goes on where it was
  kBegunAgain,  // its request is still in the socket and is handled once more
  kResumed,     // its response was made: the rest is sent from the exact byte
  kAnswered,    // an error is sent in place of a response (500, or 504 after the watchdog)
  kClosed,      // it could not be told how much of the response was sent, or of the request taken
};

struct Recovered {
  int fd = -1;
  Outcome outcome = Outcome::kHandedOn;
};

// Hands on what the dead worker with this scoreboard entry held, then kicks. A request that nothing was
// answered to is still in its socket and is begun again, at most `retries` times, then answered with 500; a
// parked response goes on at its exact byte; a connection in the middle of a response that was not parked is
// closed. Also gives up its half-filled open-file entries and writes out its access log lines. Returns what
// it held.
std::vector<Recovered> recover(Segment& segment, const EpollSet& epoll, Holder dead, const Death& death,
                               std::uint32_t retries, int access_log_fd);

}  // namespace baton
