// Finds the descriptors that a worker left open and unnamed, most often by its death.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <functional>
#include <optional>
#include <vector>

#include "common/config/config.h"
#include "common/shared/epoll_set.h"
#include "common/shared/segment.h"

namespace baton {

// A worker leaves a descriptor behind in the shared table if it is killed at one of two moments: between
// accept4(2), open(2) or memfd_create(2) and the store that names the descriptor; or between the store that
// forgets a descriptor and the close.
//
// The reclaimer lists /proc/self/fd and strikes out every descriptor that a slot, the open-file table, a
// living worker or the master names. The remaining descriptors are suspects: a living worker may still have
// one in hand, so none is touched before that is ruled out (common/shared/descriptor_motion.h):
//
// - Socket. The inode identifies it, and the generation of the slot with its number tells whether it was
//   ever given that slot. It is a leftover when (1) it was unnamed, (2) each living worker has been seen out
//   of motion since, and (3) it is still the same socket, and has not had a slot meanwhile.
// - File or memfd. It leaves no such trace. It is a leftover when it is unnamed at a moment at which no
//   worker moves files. A worker that has not said that it is ready moves files all the time.
//
// A leftover socket on which no byte has come or gone is a client that was just accepted: it gets a slot and
// is served. All other leftovers are closed. Descriptors of other kinds are never touched.
class Reclaimer {
 public:
  // `is_own(fd)`: whether `fd` is one of the master's own descriptors. `handshake_set()`: the index of the set of a
  // keyholder that takes up another client; nothing: there is none.
  Reclaimer(Segment& segment, EpollSet epoll, std::function<bool(int)> is_own,
            std::function<std::optional<std::size_t>()> handshake_set = {})
      : segment_(segment),
        epoll_(epoll),
        is_own_(std::move(is_own)),
        handshake_set_(std::move(handshake_set)) {}

  // To be called when a worker has ended other than by retiring, with the last phase of its flight; and when
  // the last worker from before an upgrade has ended.
  void on_death(FlightPhase last_phase);

  // To be called when a worker has left a file open because others may be in the middle of using it.
  void on_left_open() { wanted_ = true; }

  // Closes a file that the open-file table does not need any more, unless the descriptor is by now no file,
  // or one of the master's own.
  void close_file(int fd);

  // Whether look() has work to do: call it soon, at the latest at the next tick.
  [[nodiscard]] bool pending() const { return wanted_ || !suspects_.empty(); }
  // Gets as far as it can without waiting for any process. Costs about a microsecond per open descriptor.
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
    std::uint32_t generation = 0;  // of the slot with this number; each new connection advances it
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
  [[nodiscard]] bool came_to_tls(int fd) const;

  Segment& segment_;
  EpollSet epoll_;
  std::function<bool(int)> is_own_;
  std::function<std::optional<std::size_t>()> handshake_set_;
  bool wanted_ = false;
  bool all_accepting_ = true;   // every worker that died since the suspects were listed was accepting
  bool accepting_only_ = true;  // the same of the workers that left the present suspects
  std::vector<Suspect> suspects_;
  std::vector<Mover> movers_;
  Totals totals_;
};

}  // namespace baton
