// Finds the descriptors that a worker left open and unnamed, most often by its death.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <functional>
#include <vector>

#include "common/config/config.h"
#include "common/shared/epoll_set.h"
#include "common/shared/segment.h"

namespace baton {

// A worker killed between accept4(2), open(2) or memfd_create(2) and the store that names the descriptor, or
// between forgetting one and closing it, leaves it in the table that all share. It is found by listing
// /proc/self/fd and striking out everything that a slot, the open-file table, a living worker or the master
// names. What is left may still be in the hands of a living worker, so nothing is touched before that is
// ruled out (common/shared/descriptor_motion.h):
//
// - A socket is told by its inode, and whether it was ever given a slot by the generation of that slot. If
//   it is unnamed, then each living worker has been seen out of motion, and it is still the same and never
//   had a slot, no worker had it.
// - Files and memfds leave no such trace: one is a leftover when it is unnamed at a moment at which no worker
//   moves files. A worker that has not said that it is ready moves files all the time.
//
// A leftover socket on which nothing has come or gone is a client that was just accepted: it is given a slot
// and served. All else is closed. Other kinds of descriptors are never touched.
class Reclaimer {
 public:
  // `is_own(fd)`: whether the master itself names it.
  Reclaimer(Segment& segment, EpollSet epoll, std::function<bool(int)> is_own)
      : segment_(segment), epoll_(epoll), is_own_(std::move(is_own)) {}

  // A worker has ended, other than by retiring, in this phase of its flight; or the last one from before an
  // upgrade has.
  void on_death(FlightPhase last_phase);

  // A worker has left a file open, because others may be in the middle of using it.
  void on_left_open() { wanted_ = true; }

  // Closes a file that the open-file table has done with, unless what has its number is none, or the
  // master's.
  void close_file(int fd);

  // Whether look() has work to do: it is to be called soon, at the latest at the next tick.
  [[nodiscard]] bool pending() const { return wanted_ || !suspects_.empty(); }
  // Looks as far as it can without waiting for anybody. Costs about a microsecond per open descriptor.
  void look(const TimeoutConfig& timeouts);

  struct Totals {
    std::uint64_t closed = 0;
    std::uint64_t adopted = 0;
  };
  [[nodiscard]] const Totals& totals() const { return totals_; }

 private:
  enum class Kind : std::uint8_t { kSocket, kMemory, kFile };
  struct Suspect {
    int fd = -1;
    Kind kind = Kind::kFile;
    ino_t inode = 0;
    std::uint32_t generation = 0;  // of the slot with this number: each connection moves it
  };
  // A worker that had sockets or files in motion when the suspects were listed.
  struct Mover {
    std::size_t index = 0;
    std::uint32_t sockets = 0;
    std::uint32_t files = 0;
  };

  void list_suspects();
  [[nodiscard]] std::vector<bool> named() const;
  [[nodiscard]] bool identify(int fd, Suspect& suspect) const;
  void note_movers();
  [[nodiscard]] bool movers_are_through();
  [[nodiscard]] bool files_stand_still(std::vector<std::uint32_t>& counts) const;
  void settle(const TimeoutConfig& timeouts);
  void take(const Suspect& suspect, const TimeoutConfig& timeouts);
  bool adopt(int fd, const TimeoutConfig& timeouts);

  Segment& segment_;
  EpollSet epoll_;
  std::function<bool(int)> is_own_;
  bool wanted_ = false;
  bool all_accepting_ = true;   // since the suspects were listed, every worker that died was accepting
  bool accepting_only_ = true;  // the same of those that left the suspects
  std::vector<Suspect> suspects_;
  std::vector<Mover> movers_;
  Totals totals_;
};

}  // namespace baton
