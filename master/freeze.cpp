#include "master/freeze.h"

#include <sched.h>
#include <sys/wait.h>
#include <time.h>

#include "common/base/clock.h"
#include "common/base/futex.h"
#include "master/recovery.h"

namespace baton {

namespace {

constexpr std::uint64_t kSpinNs = 1'000'000;  // longer than any motion, unless its process does not run

bool in_motion(const FlightRecord& flight) {
  // Sequentially consistent: a worker that has not seen `frozen` has counted before it looked.
  return flight.sockets_in_motion.load(std::memory_order_seq_cst) % 2 != 0 ||
         flight.files_in_motion.load(std::memory_order_seq_cst) % 2 != 0;
}

}  // namespace

std::optional<std::string> freeze(Segment& segment, const EpollSet& epoll,
                                  const std::vector<const WorkerProcess*>& workers,
                                  std::chrono::milliseconds patience) {
  segment.header().frozen.store(1, std::memory_order_seq_cst);
  const std::uint64_t begun = monotonic_ns();
  const std::uint64_t limit = begun + static_cast<std::uint64_t>(patience.count()) * 1'000'000U;
  for (const WorkerProcess* worker : workers) {
    const FlightRecord& flight = segment.scoreboard()[worker->index].flight;
    while (in_motion(flight) && !worker->ended(WNOWAIT)) {
      const std::uint64_t now = monotonic_ns();
      if (now >= limit) {
        thaw(segment, epoll);
        return worker->name() + " (pid " + std::to_string(worker->pid) +
               ") stands still while it opens or closes a descriptor; try again";
      }
      if (now - begun < kSpinNs) {
        ::sched_yield();
      } else {
        const timespec moment{0, 1'000'000};
        ::nanosleep(&moment, nullptr);
      }
    }
  }
  return std::nullopt;
}

void thaw(Segment& segment, const EpollSet& epoll) {
  std::atomic<std::uint32_t>& frozen = segment.header().frozen;
  frozen.store(0, std::memory_order_seq_cst);
  futex_wake_all(frozen);
  kick(segment, epoll);
}

}  // namespace baton
