// Reload: a pending generation beside the serving one, and the one store that makes it the serving one.
#include <atomic>
#include <cerrno>
#include <cstring>
#include <stdexcept>
#include <utility>

#include "common/base/futex.h"
#include "common/base/log.h"
#include "master/command_report.h"
#include "master/descriptor_table.h"
#include "master/master.h"
#include "master/recovery.h"
#include "master/rights.h"
#include "master/spool_limits.h"

namespace baton {

void Master::start_reload() {
  if (stage_ != Stage::kServing && !inherited_) {
    const bool early = stage_ == Stage::kStarting;
    return report_reload(
        false, early ? "no worker has started yet: stop the server and start it again" : "the server stops");
  }
  if (pending_ || probe_ || inherited_) {
    reload_again_ = true;
    return;
  }
  ConfigResult loaded = load_config(config_file_);
  if (!loaded.config) return report_reload(false, join_errors(loaded.errors));
  if (const std::string problems = problems_with_rights(*loaded.config, config_file_); !problems.empty())
    return report_reload(false, problems);
  if (const auto problem = exceeds(*loaded.config, capacity_)) return report_reload(false, *problem);
  try {
    const bool same_log = loaded.config->log.access == current_->access_log->target();
    auto access_log = same_log ? current_->access_log : std::make_shared<LogFile>(loaded.config->log.access);
    pending_ =
        std::make_unique<Generation>(current_->number + 1, std::move(*loaded.config), std::move(access_log));
    pending_->certificates = good_certificates(pending_->config);
    segment_.places().forget_speeds(pending_->number);
    pending_->dicts = dictionaries_.prepare(pending_->config.dicts);
    prepare_tls(pending_->config);
    error_log_.prepare(pending_->config.log.error);
    listeners_.prepare(pending_->config.file, pending_->config.listen);
  } catch (const std::runtime_error& error) {
    pending_.reset();
    error_log_.abandon();
    return report_reload(false, error.what());
  }
  give_up_ns_ = monotonic_ns() + kStartTimeoutNs;
  dismiss_successor();
  for (WorkerProcess& worker : pending_->workers) {
    if (!spawn(*pending_, worker)) {
      return abort_reload("cannot start " + worker.name() + ": " + std::strerror(errno));
    }
  }
}

void Master::switch_generation(std::uint32_t number) {
  std::atomic<std::uint32_t>& generation = segment_.header().generation;
  generation.store(number, std::memory_order_release);
  futex_wake_all(generation);
}

// Frees the places of workers that have been told to go: the places limit how many of the workers that stay
// are in slow handlers ([limits] module_workers).
void Master::take_places_back(const Generation& generation) {
  generation.for_each_process([this](const WorkerProcess& worker) { take_place_back(worker); });
}

void Master::take_place_back(const WorkerProcess& worker) {
  // The worker takes a place and then looks whether it is to go; the master tells it to go and then takes the
  // place back. So one of the two sees the other.
  std::atomic_thread_fence(std::memory_order_seq_cst);
  segment_.places().held.release(worker.index);
  if (segment_.places().line.count() > 0) kick(segment_, epoll_);
}

void Master::commit_reload() {
  forget_failing(*current_);
  retiring_.push_back(std::move(current_));
  current_ = std::move(pending_);
  SegmentHeader& header = segment_.header();
  header.max_connections.store(current_->config.server.max_connections);
  header.module_workers.store(module_workers(current_->config));
  set_spool_limits(header.spool, segment_.spool_budget(), current_->config);
  std::strncpy(header.name, current_->config.server.name.c_str(), sizeof header.name - 1);
  if (current_->access_log != retiring_.back()->access_log) current_->access_log->begin(header.access_log);
  // From this store on the old workers take no event. The signal only wakes those that wait.
  switch_generation(current_->number);
  take_places_back(*retiring_.back());
  retiring_.back()->wake_all();
  std::string trouble;
  try {
    listeners_.commit();
    error_log_.commit(header.error_log);
    log::set_level(current_->config.log.level);
  } catch (const std::runtime_error& error) {
    trouble = std::string("; but ") + error.what();
  }
  std::string message = "generation " + std::to_string(current_->number) + " serves with " +
                        std::to_string(current_->config.server.workers) + " workers on";
  for (const Listener& listener : listeners_.all()) message += " " + listener.bound.to_string();
  message += dictionaries_.remarks(current_->config.dicts);
  report_reload(trouble.empty(), message + trouble);
}

void Master::abort_reload(const std::string& why) {
  // The pending workers hold nothing: none of them has taken an event.
  pending_->kill_all();
  retiring_.push_back(std::move(pending_));
  listeners_.abandon();
  error_log_.abandon();
  report_reload(false, "the new configuration cannot start: " + why);
}

void Master::report_reload(bool ok, const std::string& message) {
  if (ok) {
    log::info("reloaded: {}", message);
  } else {
    log::error("reload failed, the old configuration goes on: {}", message);
  }
  publish(segment_.header().reload, ok, message);
  go_on();
}

void Master::forget_retired() {
  std::erase_if(retiring_, [this](const auto& generation) {
    if (generation->any_running()) return false;
    close_handshake_sets(*generation);
    return true;
  });
  std::erase_if(current_->leaving, [](const WorkerProcess& worker) { return !worker.running(); });
  listeners_.close_due(monotonic_ns(), !retiring_.empty());
  dictionaries_.forget_unused();
}

}  // namespace baton
