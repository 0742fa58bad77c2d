// Watches over the workers: those that take too long or too much memory, and those that cannot start.
#include <fmt/format.h>
#include <signal.h>

#include <algorithm>
#include <cstring>

#include "common/base/log.h"
#include "common/base/printable.h"
#include "common/base/units.h"
#include "master/master.h"
#include "worker/worker.h"

namespace baton {

namespace {

constexpr std::uint32_t kTicksToLookAtMemory = 1'000'000'000 / kTickNs;

std::string seconds_until(std::uint64_t then_ns, std::uint64_t now_ns) {
  return format_duration(then_ns > now_ns ? static_cast<double>(then_ns - now_ns) / 1e9 : 0);
}

// `doing`: what the worker says it was doing; empty: it did not say.
std::string too_late(const std::string& doing) {
  return " has not become ready within " + format_duration(Master::kStartTimeoutNs / 1e9) +
         (doing.empty() ? "" : ": " + doing);
}

}  // namespace

void Master::watch_workers(std::uint64_t now_ns) {
  ++ticks_;
  const auto watch_all = [&](Generation& generation) {
    generation.for_each_process([&](WorkerProcess& worker) {
      if (worker.running()) watch_worker(generation, worker, now_ns);
    });
  };
  watch_all(*current_);
  for (const auto& generation : retiring_) watch_all(*generation);
}

void Master::watch_worker(Generation& generation, WorkerProcess& worker, std::uint64_t now_ns) {
  WorkerEntry& entry = segment_.scoreboard()[worker.index];
  switch (worker.watchdog.tick(entry.flight)) {
    case Watchdog::Action::kNone: break;
    case Watchdog::Action::kAbort: worker.signal(SIGABRT); break;
    case Watchdog::Action::kKill: worker.signal(SIGKILL); break;
  }
  note_slow_handler(generation, entry.flight, now_ns);
  const bool current = &generation == current_.get();
  if (current && !worker.killed && !is_ready(worker) &&
      now_ns - entry.started_ns.load(std::memory_order_relaxed) > kStartTimeoutNs) {
    if (!generation.is_successor(worker))  // after_failed_successor() reports a successor
      log::error("{} (pid {}){}", worker.name(), worker.pid,
                 too_late(last_moments(segment_, worker, generation.router, now_ns).complaint));
    worker.kill();
  }
  if (current && ticks_ % kTicksToLookAtMemory == 0 && is_ready(worker)) look_at_memory(worker);
}

// A handler that was quick may hang now, and may go on until its time limit. The other workers must learn
// before that end that it is slow.
void Master::note_slow_handler(const Generation& generation, const FlightRecord& flight,
                               std::uint64_t now_ns) {
  // In this order, or the time of a request before would be taken for the handler's.
  const std::uint32_t handler = flight.handler.load(std::memory_order_acquire);
  const std::uint64_t since = flight.since_ns.load(std::memory_order_relaxed);
  if (handler == FlightRecord::kNoHandler || now_ns < since + kTickNs) return;
  segment_.places().speed(generation.number, handler).note(now_ns - since);
}

void Master::after_death(Generation& generation, WorkerProcess& worker, const LastMoments& moments,
                         const Death& death) {
  if (&generation == pending_.get()) {
    return abort_reload(failure_of(moments, death, name_of(moments) + " ", " before it was ready"));
  }
  if (&generation != current_.get() || stage_ == Stage::kRetiring) return;
  const std::uint64_t now = monotonic_ns();
  if (generation.is_successor(worker)) {
    const std::string how = worker.killed ? "its successor" + too_late(moments.complaint)
                                          : failure_of(moments, death, "its successor ");
    return after_failed_successor(how, moments.was_ready, now);
  }
  if (!generation.has_a_place(worker)) return;  // it had been told to go
  worker.restarts += 1;
  if (generation.successor && worker.role == ProcessRole::kWorker &&
      generation.successor->ordinal == worker.ordinal) {
    worker = *generation.successor;  // is starting already
    generation.successor.reset();
    return;
  }
  if (!moments.was_ready) {
    worker.cannot_start = death.cause == Cause::kExited && death.number == WorkerExit::kCannotStart;
    return after_failed_start(worker, failure_of(moments, death), now);
  }
  worker.cannot_start = false;
  worker.restart_at_ns = worker.policy.on_death(true, now);
  restart_due_workers(now);
}

void Master::after_failed_start(WorkerProcess& worker, const std::string& how, std::uint64_t now_ns) {
  worker.restart_at_ns = worker.policy.on_death(false, now_ns);
  show_failing(worker, how);
  const auto& workers = current_->workers;
  // Without a keyholder, too, the server is not what its configuration says.
  const bool hopeless = std::all_of(workers.begin(), workers.end(), [&worker](const WorkerProcess& other) {
    return other.role != worker.role || other.cannot_start;
  });
  if (stage_ == Stage::kStarting && hopeless && !inherited_) {
    log::critical("no {} can start with this configuration", to_string(worker.role));
    exit_status_ = ExitStatus::kCannotStart;
    return retire_all(StopTimes::at_once(now_ns));
  }
  begin_if_settled();
  const std::uint32_t failures = worker.policy.failures();
  const bool any = std::any_of(workers.begin(), workers.end(), [&worker](const WorkerProcess& other) {
    return other.role == worker.role && other.running();
  });
  if (any || failures <= outage_told_) return;
  outage_told_ = failures;
  log::error("no {} serves: {} {}, {} failed tries so far, the next one in {}", to_string(worker.role),
             worker.name(), how, failures, seconds_until(worker.restart_at_ns, now_ns));
}

void Master::show_failing(WorkerProcess& worker, const std::string& how) {
  const int index = free_entry();
  if (index < 0) return;
  worker.index = static_cast<Holder>(index);
  worker.failing = true;
  WorkerEntry& entry = segment_.scoreboard()[worker.index];
  entry.pid.store(0, std::memory_order_relaxed);
  entry.role.store(worker.role, std::memory_order_relaxed);
  entry.ordinal.store(worker.ordinal, std::memory_order_relaxed);
  entry.generation.store(current_->number, std::memory_order_relaxed);
  entry.restarts.store(worker.restarts, std::memory_order_relaxed);
  entry.failures.store(worker.policy.failures(), std::memory_order_relaxed);
  entry.retry_ns.store(worker.restart_at_ns, std::memory_order_relaxed);
  std::strncpy(entry.last_death, how.c_str(), sizeof entry.last_death - 1);
  entry.last_death[sizeof entry.last_death - 1] = '\0';
  entry.state.store(WorkerState::kFailing, std::memory_order_release);
}

void Master::forget_failing(Generation& generation) {
  for (WorkerProcess& worker : generation.workers) {
    if (!worker.failing) continue;
    segment_.scoreboard()[worker.index].state.store(WorkerState::kEmpty, std::memory_order_release);
    worker.failing = false;
  }
}

void Master::begin_if_settled() {
  if (stage_ != Stage::kStarting) return;
  const auto& workers = current_->workers;
  const auto ready = [this](const WorkerProcess& worker) {
    return worker.role == ProcessRole::kWorker && is_ready(worker);
  };
  const auto settled = [&](const WorkerProcess& worker) {
    return is_ready(worker) || worker.policy.failures() > 0;
  };
  if (std::any_of(workers.begin(), workers.end(), ready) &&
      std::all_of(workers.begin(), workers.end(), settled)) {
    begin_service();
  }
}

}  // namespace baton
