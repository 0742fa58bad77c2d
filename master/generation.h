// A generation: one configuration and the workers that serve it. A reload makes a new one beside the old.
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
#include "master/log_files.h"
#include "master/restart_policy.h"
#include "master/upgrade_state.h"
#include "master/watchdog.h"
#include "worker/route/router.h"

namespace baton {

// The master's side of one worker. `pid` is -1 while it is not running.
struct WorkerProcess {
  std::uint32_t ordinal = 0;
  Holder index = 0;  // scoreboard entry, while it runs or is `failing`
  pid_t pid = -1;
  RestartPolicy policy;
  std::uint32_t restarts = 0;
  std::uint64_t restart_at_ns = 0;  // when it is not running: on CLOCK_MONOTONIC
  bool failing = false;             // not running: its entry shows why, and when it is tried again
  bool cannot_start = false;        // the last one said so itself: WorkerExit::kCannotStart
  bool killed = false;              // this one was sent SIGKILL: an end of service, or of patience
  std::uint64_t memory = 0;         // what it held when it was last looked at, where that counts
  std::uint64_t replaced_ns = 0;    // among Generation::leaving: when it was told to go
  Watchdog watchdog;

  [[nodiscard]] bool running() const { return pid > 0; }
  // How it ended; nothing while it runs. It is waited for then, and its number may come to mean another
  // process, unless `options` has WNOWAIT.
  [[nodiscard]] std::optional<siginfo_t> ended(int options) const;
  void signal(int number) const;
  // Has it look whether it is to go, if it waits for an event. SIGTERM, but to the event thread alone: sent
  // to the process it might interrupt a handler.
  void wake() const;
  void kill();
};

struct Generation {
  // Opens the roots and prepares the routes. Throws std::runtime_error.
  Generation(std::uint32_t generation_number, Config configuration, std::shared_ptr<LogFile> log);
  // The orphans of one: workers that the program before an upgrade started. They have its configuration and
  // its routes; here are none.
  Generation(const UpgradeState::Generation& state, std::shared_ptr<LogFile> log);

  std::uint32_t number;
  Config config;  // the router points into it: neither is moved
  serve::Router router;
  std::shared_ptr<LogFile> access_log;
  DictSet dicts;                       // that its workers may open; set before the first of them is started
  std::vector<WorkerProcess> workers;  // by ordinal, but of an orphaned one
  bool orphaned = false;

  // Recycling (master/recycling.cpp).
  std::optional<WorkerProcess> successor;  // starts, to replace the worker with the same ordinal
  std::vector<WorkerProcess> leaving;      // replaced; each finishes the request in hand
  RestartPolicy succession;                // of successors that fail to start
  std::uint64_t next_successor_ns = 0;     // no successor is started before
  bool small_limit_told = false;           // that worker_memory is below what a worker holds from its start

  // All that may have a process.
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
