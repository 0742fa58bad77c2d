// Stops the server: gracefully with a deadline, or at once.
#include "common/base/log.h"
#include "master/master.h"

namespace baton {

void Master::drain() {
  if (inherited_) {  // clients from before the upgrade are owed an orderly end: stop when it is complete
    stop_asked_ = true;
    return;
  }
  if (stage_ == Stage::kStarting) return retire_all(StopTimes::at_once(monotonic_ns()));
  if (stage_ != Stage::kServing) return;
  log::info("stopping: finishing the requests in hand");
  stage_ = Stage::kDraining;  // first, because go_on() after a reload would begin another one while serving
  if (probe_) fail_upgrade("the server stops");
  if (pending_) abort_reload("the server stops");
  dismiss_successor();
  segment_.header().state.store(MasterState::kStopping, std::memory_order_release);
  listeners_.close_all();
  stop_times_ = StopTimes::graceful(
      monotonic_ns(),
      static_cast<std::uint64_t>(current_->config.server.shutdown_timeout.count()) * 1'000'000U);
}

void Master::stop_at_once(int signal) {
  const StopTimes times = StopTimes::at_once(monotonic_ns());
  if (stage_ == Stage::kRetiring && stop_times_.end_ns <= times.end_ns) return;
  log::info("stopping at once");
  exit_status_ = ExitStatus::kSignal + signal;
  retire_all(times);
}

void Master::retire_all(const StopTimes& times) {
  stop_times_ = times;
  if (stage_ == Stage::kRetiring) return;
  stage_ = Stage::kRetiring;
  if (probe_) fail_upgrade("the server stops");
  if (pending_) abort_reload("the server stops");
  dismiss_successor();
  forget_failing(*current_);
  segment_.header().state.store(MasterState::kEnding, std::memory_order_release);
  listeners_.close_all();
  for_each_generation([](const Generation& generation) { generation.wake_all(); });
}

void Master::stop_if_due(std::uint64_t now_ns) {
  if (stage_ == Stage::kDraining) {
    if (segment_.header().connections.load() == 0) return retire_all(stop_times_.drained(now_ns));
    deadline_passed_ = now_ns >= stop_times_.retire_ns;
    if (deadline_passed_) retire_all(stop_times_);
  } else if (stage_ == Stage::kRetiring && now_ns >= stop_times_.kill_ns) {
    for_each_generation([this, now_ns](Generation& generation) { kill_late(generation, now_ns); });
  }
}

// A worker without a request in hand has until end_ns, for what its modules do at the end.
void Master::kill_late(Generation& generation, std::uint64_t now_ns) {
  generation.for_each_process([&](WorkerProcess& worker) {
    if (!worker.running()) return;
    const WorkerEntry& entry = segment_.scoreboard()[worker.index];
    const bool done = entry.state.load(std::memory_order_relaxed) == WorkerState::kRetiring ||
                      entry.flight.phase.load(std::memory_order_relaxed) == FlightPhase::kWaiting;
    if (done && now_ns < stop_times_.end_ns) return;
    killed_at_end_ = true;
    worker.kill();
  });
}

void Master::finish_stop() {
  post_mortem_.finish();
  log_watch_.finish();
  cut_offs_.add_rest(segment_);
  for (const std::string& line : cut_offs_.lines()) log::warn("cut off: {}", line);
  const std::size_t count = cut_offs_.count();
  if (exit_status_ == ExitStatus::kFinished && (killed_at_end_ || (deadline_passed_ && count > 0))) {
    exit_status_ = ExitStatus::kCutOff;
  }
  if (count > 0 || killed_at_end_) {
    log::warn("stopped; {} requests and responses were cut off", count);
  } else {
    log::info("stopped");
  }
  segment_.header().exit_status.store(exit_status_, std::memory_order_release);
}

}  // namespace baton
