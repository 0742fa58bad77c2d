// The seeded schedule of everything that is done to the server.
#pragma once

#include <sys/resource.h>

#include <cstdint>
#include <optional>
#include <random>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include "tests/campaign/recovery_watch.h"
#include "tests/support/crash_points.h"
#include "tests/support/server.h"

namespace baton::survive {

struct Plan {
  std::uint64_t seed = 1;
  std::uint64_t kills = 0;
  std::uint64_t seconds = 0;
  bool points = true;  // also kills at labelled steps
  bool stops = true;
  bool reloads = true;
  bool upgrades = false;
  bool verbose = false;  // prints the label of every kill at one
  rlim_t descriptors =
      0;  // RLIMIT_NOFILE of the workers, so that the table is nearly full for them; 0: as it is
};

struct Done {
  std::uint64_t kills_at_random = 0;  // of any worker
  std::uint64_t kills_of_busy = 0;    // of one that had a connection in hand a moment before
  std::uint64_t kills_at_points = 0;  // at a labelled crash point, armed at random
  std::uint64_t stops = 0;
  std::uint64_t reloads = 0;
  std::uint64_t upgrades = 0;
  [[nodiscard]] std::uint64_t kills() const { return kills_at_random + kills_of_busy + kills_at_points; }
};

class Schedule {
 public:
  Schedule(const Plan& plan, const test::Server& server, test::CrashPoints& points);

  // Until all kills are done and the time has passed; every worker that was stopped goes on then.
  void run();

  [[nodiscard]] const Done& done() const { return done_; }
  [[nodiscard]] const RecoveryWatch& recovery() const { return recovery_; }

 private:
  struct Victim {
    pid_t pid;
    Holder holder;
  };
  void kill_one();
  bool kill(const Victim& victim);
  bool kill_measured(const Victim& victim);
  void arm_one();
  void stop_one(std::uint64_t now);
  void go_on(std::uint64_t now, bool all);
  void storm(std::uint64_t now);
  void limit_new_workers();
  [[nodiscard]] std::optional<Victim> any_worker(bool busy);
  std::uint64_t any(std::uint64_t least, std::uint64_t most);

  const Plan plan_;
  const test::Server& server_;
  test::CrashPoints& points_;
  std::mt19937_64 random_;
  RecoveryWatch recovery_;
  Done done_;
  std::string_view armed_;  // the label; empty: none
  std::uint64_t begin_ns_ = 0;
  std::vector<std::pair<pid_t, std::uint64_t>> stopped_;  // until when
  std::uint64_t next_storm_ns_ = 0;
  std::uint64_t next_upgrade_ns_ = 0;
};

}  // namespace baton::survive
