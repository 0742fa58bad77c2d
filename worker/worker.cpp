#include "worker/worker.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <exception>
#include <memory>
#include <span>
#include <string>

#include "common/base/crash_point.h"
#include "common/base/log.h"
#include "common/base/private_memory.h"
#include "common/shared/descriptor_motion.h"
#include "common/shared/tls_table.h"
#include "worker/app/module_host.h"
#include "worker/app/protection.h"
#include "worker/connection/acceptor.h"
#include "worker/connection/spool.h"
#include "worker/h1/turn.h"
#include "worker/process/access_log.h"
#include "worker/process/crash_handler.h"
#include "worker/process/master_watch.h"
#include "worker/process/signals.h"
#include "worker/process/start.h"

namespace baton {

namespace {

bool can_read_roots(const serve::Router& router) {
  bool readable = true;
  router.for_each_route([&](const serve::Route& route) {
    if (!route.root || ::faccessat(route.root->view().fd, ".", R_OK | X_OK, AT_EACCESS) == 0) return;
    log::error("cannot read the root {}: {}", route.root->path(), std::strerror(errno));
    readable = false;
  });
  return readable;
}

// From here on modules cannot write to the memory that the workers share. False: they still can.
bool guard_memory(const WorkerContext& context) {
  const std::span<std::byte> memory = context.segment.memory();
  bool guarded = app::Protection::guard(memory.data(), memory.size());
  context.router.for_each_route([&guarded](const serve::Route& route) {
    if (route.root)
      guarded = app::Protection::guard(route.root->memory(), serve::StaticRoot::memory_bytes()) && guarded;
  });
  if (const std::span<std::byte> tls = TlsTable::memory(); !tls.empty())
    guarded = app::Protection::guard(tls.data(), tls.size()) && guarded;
  for (const auto& dict : context.dicts)
    guarded = app::Protection::guard(dict->memory().data(), dict->memory().size()) && guarded;
  return guarded;
}

void tell_of_machine(bool guarded, const std::string& obstacle) {
  if (!guarded)
    log::info(
        "this machine has no protection keys: a wild write in a module can reach what the workers share");
  if (!obstacle.empty())
    log::info("each request of a module is handed to another thread, which takes more time: {}", obstacle);
}

void prepare_for_modules() {
  ::setpgid(0, 0);  // a group with the children of its modules, so that all can be killed together
  // Line by line. Fully buffered, as for a file or a pipe, output would be lost when this process is killed.
  std::setvbuf(stdout, nullptr, _IOLBF, 0);
}

// If the modules cannot be used, notes the reason for the master and ends the process.
std::unique_ptr<app::ModuleHost> start_modules(const WorkerContext& context) {
  WorkerEntry& entry = context.entry();
  try {
    const bool guarded = context.router.has_modules() && guard_memory(context);
    if (context.router.has_modules()) prepare_for_modules();
    auto modules = std::make_unique<app::ModuleHost>(
        context.config, context.router, context.dicts, [&context] { return context.to_go(); },
        [&entry](const std::string& what) {
          std::strncpy(entry.complaint, what.c_str(), sizeof entry.complaint - 1);
        });
    report_aborts_of(modules->app_thread());
    modules->start();
    if (context.tells_of_machine && context.router.has_modules())
      tell_of_machine(guarded, modules->obstacle());
    const bool first = entry.ordinal.load(std::memory_order_relaxed) == 0 &&
                       entry.restarts.load(std::memory_order_relaxed) == 0;
    if (first) {
      for (const std::string& shared : modules->shared_symbols()) log::warn("{}", shared);
    }
    return modules;
  } catch (const std::exception& error) {
    if (entry.failures.load(std::memory_order_relaxed) == 0) log::error("{}", error.what());
    std::strncpy(entry.complaint, error.what(), sizeof entry.complaint - 1);
    ::_exit(WorkerExit::kCannotStart);
  }
}

class Worker {
 public:
  Worker(const WorkerContext& context, app::ModuleHost& modules)
      : context_(context),
        modules_(modules),
        log_(context.segment.log_buffers()[context.index], context.config.log.access_format,
             context.access_log_fd, context.segment.header().access_log),
        turn_(context, modules, log_),
        evictor_(context),
        master_(context.segment, context.epoll),
        limit_ms_(static_cast<std::uint32_t>(context.config.timeouts.handler.count())),
        share_(context.config.limits.requests_per_worker) {}

  void run(const sigset_t& while_waiting) {
    FlightRecord& flight = context_.flight();
    const ConnectionTable table = context_.segment.connections();
    flight.limit_ms.store(limit_ms_, std::memory_order_relaxed);
    flight.retries.store(context_.config.limits.retries, std::memory_order_relaxed);
    while (!is_retiring(context_)) {
      tell_when_share_is_served();
      if (frozen()) {
        await_thaw(context_);
        master_.look_now();  // signals are blocked there
        continue;
      }
      flight.phase.store(FlightPhase::kWaiting, std::memory_order_relaxed);
      bump(flight.turns);
      const auto event = context_.epoll.wait(kBackstopMs, &while_waiting);
      const std::uint64_t now = monotonic_ns();
      log_.flush_if_due(now);
      master_.look(now);
      if (!event) continue;
      bump(context_.counters().wakeups);
      // The event is dropped, as below: the process that lifts the freeze kicks all connections. This check
      // comes before is_retiring(): once the freeze of an upgrade is lifted, `generation` is surely past ours.
      if (frozen()) continue;
      // A retiring worker drops its event: the master re-arms all connections once this worker is gone.
      if (is_retiring(context_)) break;
      flight.since_ns.store(now, std::memory_order_relaxed);
      flight.phase.store(FlightPhase::kReading, std::memory_order_relaxed);
      const int fd = static_cast<int>(event->fd);
      if (!table.contains(fd)) continue;
      const Claim claim = table.claim(fd);
      if (claim.state == SlotState::kListener) {
        if (claim.generation != event->generation) continue;
        if (const int accepted = accept_burst(context_, evictor_, fd, now); accepted >= 0) {
          turn_.handle_accepted(accepted, now);
        }
      } else {
        turn_.handle(fd, event->generation, now);
      }
    }
    flight.phase.store(FlightPhase::kWaiting, std::memory_order_relaxed);
    context_.entry().state.store(WorkerState::kRetiring, std::memory_order_relaxed);
    log_.flush();
    stop_modules();
    master_.look_now();
  }

 private:
  // The watchdog limits the time for this, as it does for a request.
  void stop_modules() {
    FlightRecord& flight = context_.flight();
    flight.since_ns.store(monotonic_ns(), std::memory_order_relaxed);
    flight.phase.store(FlightPhase::kServing, std::memory_order_relaxed);
    modules_.stop();
    flight.phase.store(FlightPhase::kWaiting, std::memory_order_relaxed);
  }

  [[nodiscard]] bool frozen() const {
    return context_.segment.header().frozen.load(std::memory_order_acquire) != 0;
  }

  // Tells the master once this worker has served its share of requests. The master starts a successor, and
  // says when this worker may go.
  void tell_when_share_is_served() {
    if (share_ == 0 || context_.counters().requests.load(std::memory_order_relaxed) < share_) return;
    share_ = 0;
    tell_master(context_);
  }

  const WorkerContext& context_;
  app::ModuleHost& modules_;
  AccessLog log_;
  h1::Turn turn_;
  Evictor evictor_;
  MasterWatch master_;
  std::uint32_t limit_ms_;
  std::uint64_t share_;  // limits.requests_per_worker; 0: no limit, or the master knows that it is reached
};

}  // namespace

void run_worker(const WorkerContext& context) {
  const sigset_t while_waiting = begin_process(
      context, "worker " + std::to_string(context.entry().ordinal.load(std::memory_order_relaxed)));
  install_crash_handler(context.entry().crash, {app::Protection::allow, app::BorrowedThread::interrupt});
  count_spools_in(context.segment.spool_budget(context.index));
  // Roots are checked only before the generation serves. Later a root may be gone or unreadable for a while:
  // its requests are refused, and all others are served.
  const bool serving =
      context.segment.header().generation.load(std::memory_order_acquire) >= context.generation;
  if (!serving && !can_read_roots(context.router)) ::_exit(WorkerExit::kCannotStart);
  const std::unique_ptr<app::ModuleHost> modules = start_modules(context);
  Worker worker(context, *modules);
  if (context.config.limits.worker_memory != 0)
    context.entry().base_memory.store(private_memory(::getpid()).value_or(0), std::memory_order_relaxed);
  if (await_switch(context)) worker.run(while_waiting);
  end_process(context);
}

}  // namespace baton
