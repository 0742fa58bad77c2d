// The master listens, clones workers, watches the clock, repairs after deaths and reloads.
//
// Invariants
//   (1) It parses nothing that a client sent.
//   (2) It never waits for a worker, except for at most 50 ms before an upgrade (master/freeze.h).
//   (3) The only client descriptors it closes are those that a dead worker left without a slot (Reclaimer).
//
// Stages
//
//   STARTING --(a)--> SERVING --SIGTERM--> DRAINING
//      |                 |                    |
//     (b)         SIGINT, SIGQUIT            (c)
//      |                 v                    |
//      +------------> RETIRING <--------------+
//                        |
//                        +--no worker is left--> end
//
//   (a) every worker is ready or failing, and at least one is ready
//   (b) every worker says that it cannot start; or SIGTERM, SIGINT, SIGQUIT
//   (c) no connection is left; or the deadline has passed; or SIGTERM, SIGINT, SIGQUIT
//
// Reload: a second, pending generation of workers starts beside the serving one. Either all of them become
// ready, and the generation takes over at one store to SegmentHeader::generation; or they are killed, and
// nothing has changed.
//
// Upgrade: the master executes another program in its own process. That program begins in STARTING and takes
// everything over (master/upgrade.cpp).
#pragma once

#include <signal.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "common/base/unique_fd.h"
#include "common/config/config.h"
#include "common/shared/epoll_set.h"
#include "common/shared/segment.h"
#include "common/shared/tls_table.h"
#include "master/dictionaries.h"
#include "master/exit_status.h"
#include "master/generation.h"
#include "master/header_guard.h"
#include "master/listeners.h"
#include "master/log_files.h"
#include "master/log_watch.h"
#include "master/oom_counter.h"
#include "master/pid_file.h"
#include "master/post_mortem.h"
#include "master/reclaimer.h"
#include "master/stop_times.h"
#include "master/sweeper.h"
#include "master/unfinished.h"
#include "master/upgrade_probe.h"
#include "master/upgrade_state.h"

namespace baton {

class Master {
 public:
  // How long a pending generation, or a single worker, has to become ready.
  static constexpr std::uint64_t kStartTimeoutNs = 30'000'000'000;

  // Sets up everything that exists before the first clone: the descriptor table, the segment, the logs, the
  // epoll set, the listeners, the pid file. Throws std::runtime_error with a message for people; then nothing
  // is left behind.
  //
  // An upgrade executes `program` (master/program.h). If `inherited` is given, an upgrade has executed this
  // program, which takes all of these over instead of making them.
  Master(Config config, std::string file, std::string program, std::optional<UpgradeState> inherited);
  ~Master();

  // Serves until it is told to stop. Returns the exit status (ExitStatus).
  int run();

 private:
  enum class Stage : std::uint8_t { kStarting, kServing, kDraining, kRetiring, kEnded };

  void watch(int fd) const;
  void on_signals();
  void on_signal(int signal);
  void on_tick();
  int look_after_death();
  void mend_header();
  void give_up();
  void on_ready();
  void begin_service();

  // Workers.
  bool spawn(Generation& generation, WorkerProcess& worker);

  // TLS; in tls.cpp.
  void prepare_tls(const Config& config);
  bool open_handshake_set(WorkerProcess& keyholder);
  void close_handshake_sets(Generation& generation);
  void move_handshakes();
  void rotate_tickets(std::uint64_t now_ns);
  [[nodiscard]] std::optional<std::size_t> a_handshake_set() const;
  // Scoreboard entries. The master goes by what it knows itself, not by what the segment says.
  [[nodiscard]] std::vector<bool> taken_entries() const;
  [[nodiscard]] int free_entry() const;
  [[nodiscard]] std::size_t free_entries() const;
  [[nodiscard]] std::size_t count_running() const;
  void reap_dead();
  void reap(Generation& generation, WorkerProcess& worker, const siginfo_t& end);
  void bury(const WorkerProcess& worker);  // its scoreboard entry: totals kept, everything else cleared
  [[nodiscard]] bool all_ready(const Generation& generation) const;
  [[nodiscard]] bool is_ready(const WorkerProcess& worker) const;
  void restart_due_workers(std::uint64_t now_ns);

  // Watching over the workers; in supervise.cpp.
  void watch_workers(std::uint64_t now_ns);
  void watch_worker(Generation& generation, WorkerProcess& worker, std::uint64_t now_ns);
  void note_slow_handler(const Generation& generation, const FlightRecord& flight, std::uint64_t now_ns);
  void after_death(Generation& generation, WorkerProcess& worker, const LastMoments& moments,
                   const Death& death);
  void after_failed_start(WorkerProcess& worker, const std::string& how, std::uint64_t now_ns);
  void show_failing(WorkerProcess& worker, const std::string& how);
  void forget_failing(Generation& generation);
  void begin_if_settled();

  // Recycling; in recycling.cpp.
  void look_at_memory(WorkerProcess& worker);
  [[nodiscard]] bool has_served_its_share(const WorkerProcess& worker) const;
  [[nodiscard]] WorkerProcess* next_to_replace();
  void start_successor(std::uint64_t now_ns);
  void seat_ready_successor();
  void dismiss_successor();
  void after_failed_successor(const std::string& how, bool was_ready, std::uint64_t now_ns);

  // Reload; in reload.cpp.
  void start_reload();
  void commit_reload();
  void abort_reload(const std::string& why);
  void report_reload(bool ok, const std::string& message);
  void switch_generation(std::uint32_t number);
  void take_places_back(const Generation& generation);
  void take_place_back(const WorkerProcess& worker);
  void forget_retired();

  // Upgrade; in upgrade.cpp.
  void start_upgrade();
  void look_at_probe();
  void execute(const ProbeReport& report);
  void exec_program(const UniqueFd& state);
  [[nodiscard]] std::string no_room_for(const ProbeReport& report) const;
  [[nodiscard]] UpgradeState state_to_hand_over() const;
  [[nodiscard]] std::vector<const WorkerProcess*> running_workers() const;
  [[nodiscard]] std::vector<int> own_descriptors() const;
  void fail_upgrade(const std::string& why);
  void adopt(const UpgradeState& state);
  void finish_upgrade();
  void lose_orphan();
  void go_on();  // carries out the commands that had to wait

  // Stop; in stop.cpp.
  void drain();
  void stop_at_once(int signal);
  void retire_all(const StopTimes& times);
  void stop_if_due(std::uint64_t now_ns);
  void kill_late(Generation& generation, std::uint64_t now_ns);
  void finish_stop();

  void reopen_logs();
  [[nodiscard]] bool owns(int fd) const;
  template <typename Action>
  void for_each_generation(Action action) const {
    for (Generation* const generation : {current_.get(), pending_.get()})
      if (generation != nullptr) action(*generation);
    for (const auto& generation : retiring_) action(*generation);
  }
  void look_for_left_roots();

  std::string config_file_;  // as it was given: a link may be pointed elsewhere before a reload
  std::string program_;
  std::optional<UpgradeState> inherited_;  // until this program serves in place of its predecessor
  Config first_config_;
  Segment segment_;
  // Removes the segment's name at the end, also when the constructor of a later member throws.
  struct NameRemover {
    Segment& segment;
    ~NameRemover() { segment.unlink(); }
  } name_remover_{segment_};
  Dictionaries dictionaries_{segment_};
  ErrorLogFile error_log_;
  LogWatch log_watch_{segment_.header()};
  HeaderGuard guard_{segment_.header()};
  std::uint32_t capacity_;  // most_connections() at the start; no later configuration may exceed it
  PidFile pid_file_;
  TlsTable tls_;  // once a listener has had TLS
  HandshakeSets handshake_sets_;
  std::uint64_t tickets_rotated_ns_ = 0;
  UniqueFd epoll_fd_;  // the set that the workers share
  EpollSet epoll_;
  Listeners listeners_;
  Sweeper sweeper_;
  Reclaimer reclaimer_;

  UniqueFd own_epoll_;  // the master's own loop
  UniqueFd signals_;
  UniqueFd timer_;
  UniqueFd ready_;  // eventfd, written by workers

  Stage stage_ = Stage::kStarting;
  int exit_status_ = 0;
  std::unique_ptr<Generation> current_;
  std::unique_ptr<Generation> pending_;
  std::vector<std::unique_ptr<Generation>> retiring_;
  std::unique_ptr<UpgradeProbe> probe_;
  bool reload_again_ = false;
  bool upgrade_asked_ = false;  // came during a reload
  bool stop_asked_ = false;     // came during an upgrade
  // Until then a death is so recent that wake-ups may have gone to a dead or stopped worker.
  std::uint64_t nudge_until_ns_ = 0;
  std::uint64_t give_up_ns_ = 0;  // when the pending generation is given up
  StopTimes stop_times_;          // while draining and retiring
  bool deadline_passed_ = false;  // draining took too long
  bool killed_at_end_ = false;    // a worker did not end by itself
  CutOffs cut_offs_;
  OomCounter oom_;
  PostMortem post_mortem_;
  std::uint32_t ticks_ = 0;
  std::uint32_t outage_told_ = 0;  // failed starts when the log was last told that no worker serves
};

}  // namespace baton
