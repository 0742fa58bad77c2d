// A generation: one configuration and the workers that serve it. A reload makes a new generation beside the
// old one.
#pragma once

#include <signal.h>
#include <sys/types.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "common/config/config.h"
#include "common/dict/open_dict.h"
#include "common/shared/connection_table.h"
#include "common/shared/handshake_sets.h"
#include "common/shared/scoreboard.h"
#include "master/certificate_check.h"
#include "master/log_files.h"
#include "master/restart_policy.h"
#include "master/upgrade_state.h"
#include "master/watchdog.h"
#include "worker/route/router.h"

namespace baton {

// The master's side of one worker. `pid` is -1 while it is not running.
struct WorkerProcess {
  ProcessRole role = ProcessRole::kWorker;
  std::uint32_t ordinal = 0;
  Holder index = 0;  // its scoreboard entry, while it runs or is `failing`
  pid_t pid = -1;
  RestartPolicy policy;
  std::uint32_t restarts = 0;
  std::uint64_t restart_at_ns = 0;  // while it is not running; on CLOCK_MONOTONIC
  bool failing = false;             // not running: its entry shows why, and when it is tried again
  bool cannot_start = false;        // its last process said so itself: WorkerExit::kCannotStart
  bool killed = false;              // the master sent this process SIGKILL: it was to go, or took too long
  std::uint64_t memory = 0;         // bytes it held at the last look, where the configuration limits them
  std::uint64_t replaced_ns = 0;    // when it was told to go; for those in Generation::leaving
  Watchdog watchdog;

  [[nodiscard]] bool running() const { return pid > 0; }
  // Of a keyholder: the index of its set, which is its successor's too (common/shared/handshake_sets.h).
  std::size_t handshake_set = kMaxHandshakeSets;
  [[nodiscard]] std::string name() const;  // "worker 0"
  // How the process ended; nothing while it runs. This waits for (reaps) the process, so that its number may
  // come to mean another process, unless `options` has WNOWAIT.
  [[nodiscard]] std::optional<siginfo_t> ended(int options) const;
  void signal(int number) const;
  // Wakes the worker if it waits for an event, so that it looks whether it is to go. Sends SIGTERM to the
  // event thread alone: a signal to the process might interrupt a handler.
  void wake() const;
  void kill();
};

struct Generation {
  // Opens the roots and prepares the routes. Throws std::runtime_error.
  Generation(std::uint32_t generation_number, Config configuration, std::shared_ptr<LogFile> log);
  // For orphans: the workers of a generation that the program before an upgrade started. They keep that
  // program's configuration and routes; this object has none.
  Generation(const UpgradeState::Generation& state, std::shared_ptr<LogFile> log);

  std::uint32_t number;
  Config config;  // the router points into it, so neither may be moved
  serve::Router router;
  std::shared_ptr<LogFile> access_log;
  DictSet dicts;  // its workers may open these; set before the first worker starts
  // By ordinal, unless `orphaned`. The keyholders come behind the workers.
  std::vector<WorkerProcess> workers;
  std::vector<CertificateInfo> certificates;  // as they were when the generation was made
  bool orphaned = false;

  // Recycling (master/recycling.cpp).
  std::optional<WorkerProcess> successor;  // is starting, to replace the worker with the same ordinal
  std::vector<WorkerProcess> leaving;      // were replaced; each finishes the request in hand
  RestartPolicy succession;                // for successors that fail to start
  std::uint64_t next_successor_ns = 0;     // no successor starts before this time
  bool small_limit_told = false;           // the log was told that a new worker exceeds worker_memory

  // Visits every entry that may have a process.
  template <typename Action>
  void for_each_process(Action action) {
    for (WorkerProcess& worker : workers) action(worker);
    if (successor) action(*successor);
    for (WorkerProcess& worker : leaving) action(worker);
  }
  template <typename Action>
  void for_each_process(Action action) const {
    for (const WorkerProcess& worker : workers) action(worker);
    if (successor) action(*successor);
    for (const WorkerProcess& worker : leaving) action(worker);
  }

  [[nodiscard]] bool any_running() const;
  [[nodiscard]] WorkerProcess* find_ended();
  [[nodiscard]] bool has_a_place(const WorkerProcess& worker) const {
    return &worker >= workers.data() && &worker < workers.data() + workers.size();
  }
  [[nodiscard]] bool is_successor(const WorkerProcess& worker) const {
    return successor && &*successor == &worker;
  }
  void wake_all() const;
  void kill_all();
};

}  // namespace baton
