// Stopping: gracefully with a deadline, or at once.
#include <fmt/format.h>

#include "common/log.h"
#include "common/printable.h"
#include "common/stats.h"
#include "common/units.h"
#include "master/in_hand.h"
#include "master/master.h"

namespace baton {

namespace {

constexpr std::uint64_t kLastTurnNs = 1'000'000'000;  // for the requests in the workers' hands
constexpr int kMostTold = 10;

// One line for each of the first connections that are cut off.
void tell_what_is_cut(const Segment& segment) {
  int told = 0;
  for (const ConnectionStats& connection : take_snapshot(segment).connections) {
    if (!in_hand(segment, connection.fd)) continue;
    if (++told > kMostTold) return;
    log::warn("cut off: {} \"{}\" of {}, {} sent", connection.state,
              printable(connection.request.value_or("")), printable(connection.peer),
              format_bytes(connection.bytes_out));
  }
}

}  // namespace

void Master::drain() {
  if (inherited_) {  // those who were served before the upgrade are owed an orderly end: in a moment
    stop_asked_ = true;
    return;
  }
  if (stage_ == Stage::kStarting) return retire_all();
  if (stage_ != Stage::kServing) return;
  log::info("stopping: finishing the requests in hand");
  stage_ = Stage::kDraining;  // first: the end of a reload may begin the next one, but only while serving
  if (probe_) fail_upgrade("the server stops");
  if (pending_) abort_reload("the server stops");
  segment_.header().state.store(MasterState::kStopping, std::memory_order_release);
  listeners_.close_all();
  give_up_ns_ = monotonic_ns() +
                static_cast<std::uint64_t>(current_->config.server.shutdown_timeout.count()) * 1'000'000U;
}

void Master::stop_at_once(int signal) {
  if (stage_ == Stage::kRetiring) return;
  log::info("stopping at once");
  exit_status_ = ExitStatus::kSignal + signal;
  retire_all();
}

void Master::retire_all() {
  if (stage_ == Stage::kRetiring) return;
  stage_ = Stage::kRetiring;
  if (probe_) fail_upgrade("the server stops");
  if (pending_) abort_reload("the server stops");
  forget_failing(*current_);
  segment_.header().state.store(MasterState::kEnding, std::memory_order_release);
  listeners_.close_all();
  current_->signal_all(SIGTERM);
  for (const auto& generation : retiring_) generation->signal_all(SIGTERM);
  give_up_ns_ = monotonic_ns() + kLastTurnNs;
}

void Master::stop_if_due(std::uint64_t now_ns) {
  if (stage_ == Stage::kDraining) {
    const bool drained = segment_.header().connections.load() == 0;
    deadline_passed_ = !drained && now_ns >= give_up_ns_;
    if (drained || deadline_passed_) retire_all();
  } else if (stage_ == Stage::kRetiring && now_ns >= give_up_ns_) {
    killed_at_end_ = true;
    current_->kill_all();
    for (const auto& generation : retiring_) generation->kill_all();
  }
}

void Master::finish_stop() {
  post_mortem_.finish();
  const std::size_t left = count_in_hand(segment_);
  tell_what_is_cut(segment_);
  if (exit_status_ == ExitStatus::kFinished && (killed_at_end_ || (deadline_passed_ && left > 0))) {
    exit_status_ = ExitStatus::kCutOff;
  }
  if (left > 0 || killed_at_end_) {
    log::warn("stopped; {} requests and responses were cut off", left);
  } else {
    log::info("stopped");
  }
  segment_.header().exit_status.store(exit_status_, std::memory_order_release);
}

}  // namespace baton
