#include "master/master.h"

#include <spdlog/spdlog.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <sys/timerfd.h>
#include <sys/wait.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <stdexcept>

#include "common/log.h"
#include "common/version.h"
#include "master/descriptor_table.h"
#include "master/recovery.h"
#include "master/spawner.h"
#include "worker/worker.h"

namespace baton {

namespace {

constexpr std::uint64_t kRetireTimeoutNs = 10'000'000'000;  // for a request in hand when the server ends

constexpr int kSignals[] = {SIGHUP, SIGTERM, SIGINT, SIGQUIT, SIGUSR1, SIGUSR2, SIGCHLD};

sigset_t signal_set() {
  sigset_t set;
  ::sigemptyset(&set);
  for (const int signal : kSignals) ::sigaddset(&set, signal);
  return set;
}

Segment make_segment(const std::string& file, const Config& config) {
  const std::uint32_t descriptors = size_descriptor_table(config.server.max_connections);
  Segment segment = Segment::create(Segment::name_for(file), {descriptors, kMaxScoreboardEntries});
  SegmentHeader& header = segment.header();
  std::strncpy(header.config_file, file.c_str(), sizeof header.config_file - 1);
  std::strncpy(header.name, config.server.name.c_str(), sizeof header.name - 1);
  header.start_unix = ::time(nullptr);
  header.start_ns = monotonic_ns();
  header.max_connections.store(config.server.max_connections);
  header.max_capacity = config.server.max_connections;
  return segment;
}

Segment take_segment_over(const std::string& file, const Config& config, const UpgradeState& inherited) {
  Segment segment = Segment::take_over(Segment::name_for(file));
  SegmentHeader& header = segment.header();
  if (!grow_descriptor_table(header.slot_count))
    spdlog::warn("cannot grow the descriptor table: {}", std::strerror(errno));
  std::strncpy(header.version, kVersion, sizeof header.version - 1);
  std::strncpy(header.name, config.server.name.c_str(), sizeof header.name - 1);
  header.max_connections.store(config.server.max_connections);
  std::uint32_t orphans = 0;
  for (const auto& generation : inherited.generations)
    orphans += static_cast<std::uint32_t>(generation.workers.size());
  header.orphans.store(orphans);
  // From here on those that were started before are orphans. They are frozen, so none is at the table.
  header.executions.fetch_add(1);
  return segment;
}

UniqueFd checked(int fd, const char* what) {
  if (fd < 0) throw std::runtime_error(std::string(what) + ": " + std::strerror(errno));
  return UniqueFd(fd);
}

std::string describe_death(const siginfo_t& info) {
  if (info.si_code == CLD_EXITED) return "exited with status " + std::to_string(info.si_status);
  const char* name = ::sigabbrev_np(info.si_status);
  return std::string("killed by signal ") + std::to_string(info.si_status) +
         (name != nullptr ? std::string(" (SIG") + name + ")" : "") +
         (info.si_code == CLD_DUMPED ? ", core dumped" : "");
}

}  // namespace

Master::Master(Config config, std::string file, std::string program, std::optional<UpgradeState> inherited)
    : config_file_(std::move(file)),
      program_(std::move(program)),
      inherited_(std::move(inherited)),
      first_config_(std::move(config)),
      segment_(inherited_ ? take_segment_over(config_file_, first_config_, *inherited_)
                          : make_segment(config_file_, first_config_)),
      error_log_(inherited_ ? ErrorLogFile(inherited_->error_log, UniqueFd(inherited_->error_log_fd))
                            : ErrorLogFile(first_config_.log.error)),
      pid_file_(inherited_ ? PidFile(inherited_->pid_file, PidFile::Written{})
                           : PidFile(first_config_.server.pid_file)),
      epoll_fd_(inherited_ ? UniqueFd(inherited_->epoll_fd)
                           : checked(::epoll_create1(EPOLL_CLOEXEC), "epoll_create1")),
      epoll_(epoll_fd_.get(), segment_.connections()),
      listeners_(segment_, epoll_),
      sweeper_(segment_, epoll_),
      reclaimer_(segment_, epoll_, [this](int fd) { return owns(fd); }) {
  install_logger(error_log_.fd(), first_config_.log.level);
  if (inherited_) {
    adopt(*inherited_);
  } else {
    current_ = std::make_unique<Generation>(1, first_config_,
                                            std::make_shared<AccessLogFile>(first_config_.log.access));
    listeners_.prepare(first_config_.file, first_config_.listen);
  }

  const sigset_t set = signal_set();
  ::sigprocmask(SIG_BLOCK, &set, nullptr);
  ::signal(SIGPIPE, SIG_IGN);
  // Ignored by whoever started us, it would be inherited, and dead workers reaped before we look.
  ::signal(SIGCHLD, SIG_DFL);
  own_epoll_ = checked(::epoll_create1(EPOLL_CLOEXEC), "epoll_create1");
  signals_ = checked(::signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC), "signalfd");
  timer_ = checked(::timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC), "timerfd_create");
  ready_ = checked(::eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC), "eventfd");
  const itimerspec every_tick{{0, kTickNs}, {0, kTickNs}};
  ::timerfd_settime(timer_.get(), 0, &every_tick, nullptr);
  watch(signals_.get());
  watch(timer_.get());
  watch(ready_.get());
  for (const auto& generation : retiring_) {
    for (const WorkerProcess& worker : generation->workers) watch(worker.pidfd.get());
  }
}

Master::~Master() {
  listeners_.abandon();
  listeners_.close_all();
  listeners_.close_removed();
}

void Master::watch(int fd) const {
  epoll_event event{};
  event.events = EPOLLIN;
  event.data.fd = fd;
  if (::epoll_ctl(own_epoll_.get(), EPOLL_CTL_ADD, fd, &event) != 0) {
    throw std::runtime_error(std::string("epoll_ctl: ") + std::strerror(errno));
  }
}

int Master::run() {
  give_up_ns_ = monotonic_ns() + kStartTimeoutNs;
  for (WorkerProcess& worker : current_->workers) {
    if (spawn(*current_, worker)) continue;
    spdlog::critical("cannot start worker {}: {}", worker.ordinal, std::strerror(errno));
    exit_status_ = 1;
    retire_all();
    break;
  }
  while (stage_ != Stage::kEnded) {
    epoll_event events[16];
    // What a dead worker left open is looked for until it is settled: a client may be waiting on it.
    const int count =
        ::epoll_wait(own_epoll_.get(), events, std::size(events), reclaimer_.pending() ? 1 : -1);
    for (int i = 0; i < count; ++i) {
      const int fd = events[i].data.fd;
      if (fd == signals_.get()) {
        on_signals();
      } else if (fd == timer_.get()) {
        on_tick();
      } else if (fd == ready_.get()) {
        on_ready();
      } else if (probe_ && (fd == probe_->output_fd() || fd == probe_->process_fd())) {
        look_at_probe();
      } else {
        const auto reap_in = [&](Generation* generation) {
          WorkerProcess* worker = generation != nullptr ? generation->find(fd) : nullptr;
          if (worker != nullptr) reap(*generation, *worker);
          return worker != nullptr;
        };
        if (reap_in(current_.get()) || reap_in(pending_.get())) continue;
        for (const auto& generation : retiring_) {
          if (reap_in(generation.get())) break;
        }
      }
    }
    reclaimer_.look(current_->config.timeouts);
    forget_retired();
    if (stage_ == Stage::kRetiring && !current_->any_running() && retiring_.empty()) stage_ = Stage::kEnded;
  }
  if (inherited_ && exit_status_ != 0) spdlog::critical("the upgrade has failed, all connections are lost");
  spdlog::info("stopped");
  return exit_status_;
}

// -- events
// -----------------------------------------------------------------------------------------------------------

void Master::on_signals() {
  signalfd_siginfo info{};
  while (::read(signals_.get(), &info, sizeof info) == static_cast<ssize_t>(sizeof info)) {
    on_signal(static_cast<int>(info.ssi_signo));
  }
}

void Master::on_signal(int signal) {
  switch (signal) {
    case SIGHUP: start_reload(); break;
    case SIGTERM: stage_ == Stage::kDraining ? retire_all() : drain(); break;
    case SIGINT:
    case SIGQUIT: retire_all(); break;
    case SIGUSR1:
      try {
        error_log_.reopen();
        current_->access_log->reopen();
        spdlog::info("logs reopened");
      } catch (const std::runtime_error& error) {
        spdlog::error("{}; going on with the old file", error.what());
      }
      break;
    case SIGUSR2: start_upgrade(); break;
    default: break;  // SIGCHLD: the pidfds tell
  }
}

void Master::on_tick() {
  std::uint64_t ticks = 0;
  [[maybe_unused]] const ssize_t ignored = ::read(timer_.get(), &ticks, sizeof ticks);
  const std::uint64_t now = monotonic_ns();
  sweeper_.sweep(tick_of(now), current_->config.timeouts, stage_ == Stage::kDraining);
  restart_due_workers(now);
  if (probe_) look_at_probe();
  if (pending_ && now >= give_up_ns_) abort_reload("the new workers did not become ready in time");
  if (stage_ == Stage::kStarting && now >= give_up_ns_) {
    spdlog::critical("the workers did not become ready in time");
    exit_status_ = 1;
    retire_all();
  }
  if (stage_ == Stage::kDraining && (segment_.header().connections.load() == 0 || now >= give_up_ns_))
    retire_all();
  if (stage_ == Stage::kRetiring && now >= give_up_ns_) {
    current_->signal_all(SIGKILL);
    for (const auto& generation : retiring_) generation->signal_all(SIGKILL);
  }
}

void Master::on_ready() {
  std::uint64_t count = 0;
  [[maybe_unused]] const ssize_t ignored = ::read(ready_.get(), &count, sizeof count);
  if (stage_ == Stage::kStarting && inherited_ && all_ready(*current_)) return finish_upgrade();
  if (stage_ == Stage::kStarting && all_ready(*current_)) {
    switch_generation(current_->number);
    listeners_.commit();
    stage_ = Stage::kServing;
    segment_.header().state.store(MasterState::kServing, std::memory_order_release);
    for (const Listener& listener : listeners_.all())
      spdlog::info("listening on {}", listener.bound.to_string());
    spdlog::info("ready: {} workers, at most {} connections", current_->workers.size(),
                 current_->config.server.max_connections);
  }
  if (pending_ && all_ready(*pending_)) commit_reload();
}

// -- workers
// ----------------------------------------------------------------------------------------------------------

int Master::free_entry() const {
  const Scoreboard scoreboard = segment_.scoreboard();
  const auto free = std::find_if(scoreboard.begin(), scoreboard.end(), [](const WorkerEntry& entry) {
    return entry.state.load(std::memory_order_relaxed) == WorkerState::kEmpty;
  });
  return free == scoreboard.end() ? -1 : static_cast<int>(free - scoreboard.begin());
}

bool Master::spawn(Generation& generation, WorkerProcess& worker) {
  const int index = free_entry();
  if (index < 0) {
    errno = EAGAIN;  // workers of earlier generations still have a request in hand
    return false;
  }
  worker.index = static_cast<Holder>(index);
  WorkerEntry& entry = segment_.scoreboard()[worker.index];
  entry.ordinal.store(worker.ordinal, std::memory_order_relaxed);
  entry.generation.store(generation.number, std::memory_order_relaxed);
  entry.restarts.store(worker.restarts, std::memory_order_relaxed);
  entry.started_ns.store(monotonic_ns(), std::memory_order_relaxed);
  entry.flight.since_ns.store(monotonic_ns(), std::memory_order_relaxed);
  entry.state.store(WorkerState::kStarting, std::memory_order_release);

  segment_.outboxes()[worker.index].spill_fd.store(-1, std::memory_order_relaxed);
  Spawned spawned = spawn_worker([&] {
    const WorkerContext context{
        segment_,     generation.config, generation.router, epoll_,
        worker.index, generation.number, ready_.get(),      generation.access_log->fd()};
    entry.pid.store(::getpid(), std::memory_order_relaxed);
    spdlog::set_level(spdlog::level::from_str(generation.config.log.level));
    run_worker(context);
  });
  if (spawned.pid < 0) {
    const int error = errno;
    entry.state.store(WorkerState::kEmpty, std::memory_order_release);
    errno = error;
    return false;
  }
  entry.pid.store(spawned.pid, std::memory_order_relaxed);
  worker.pid = spawned.pid;
  worker.pidfd = std::move(spawned.pidfd);
  watch(worker.pidfd.get());
  spdlog::debug("worker {} of generation {} is pid {}", worker.ordinal, generation.number, worker.pid);
  return true;
}

// Of what the master has open, that which could be taken for something a worker left (Reclaimer).
bool Master::owns(int fd) const {
  if (fd == error_log_.fd() || listeners_.owns(fd)) return true;
  bool own = false;
  const auto look_at = [&](const Generation* generation) {
    if (generation == nullptr) return;
    own = own || generation->access_log->fd() == fd;
    generation->router.for_each_route(
        [&](const serve::Route& route) { own = own || route.root.get() == fd; });
  };
  look_at(current_.get());
  look_at(pending_.get());
  for (const auto& generation : retiring_) look_at(generation.get());
  return own;
}

bool Master::all_ready(const Generation& generation) const {
  return std::all_of(generation.workers.begin(), generation.workers.end(),
                     [this](const WorkerProcess& worker) {
                       return worker.running() && segment_.scoreboard()[worker.index].state.load(
                                                      std::memory_order_acquire) >= WorkerState::kReady;
                     });
}

void Master::reap(Generation& generation, WorkerProcess& worker) {
  siginfo_t info{};
  if (::waitid(P_PIDFD, static_cast<id_t>(worker.pidfd.get()), &info, WEXITED | WNOHANG) != 0 ||
      info.si_pid == 0)
    return;
  const bool was_ready =
      segment_.scoreboard()[worker.index].state.load(std::memory_order_acquire) >= WorkerState::kReady;
  const bool retired = info.si_code == CLD_EXITED && info.si_status == WorkerExit::kRetired;
  const std::string death = "worker " + std::to_string(worker.ordinal) + " (pid " +
                            std::to_string(worker.pid) + ") " + describe_death(info);
  // Closing is not enough: an orphan of an upgrade may have this descriptor too, and it would be reported for
  // ever.
  ::epoll_ctl(own_epoll_.get(), EPOLL_CTL_DEL, worker.pidfd.get(), nullptr);
  worker.pidfd.reset();
  if (!retired)
    reclaimer_.on_death(segment_.scoreboard()[worker.index].flight.phase.load(std::memory_order_relaxed));
  const Death how{retired ? Cause::kRetired : Cause::kKilled, info.si_status, info.si_code == CLD_DUMPED};
  recover(segment_, epoll_, worker.index, how, current_->config, generation.access_log->fd());
  bury(worker);
  if (generation.orphaned) lose_orphan();

  if (!retired) spdlog::warn("{}", death);
  if (&generation == pending_.get()) return abort_reload(death + " before it was ready");
  if (&generation != current_.get() || stage_ == Stage::kRetiring) return;
  if (stage_ == Stage::kStarting && info.si_code == CLD_EXITED &&
      info.si_status == WorkerExit::kCannotStart) {
    exit_status_ = 1;
    return retire_all();
  }
  const std::uint64_t now = monotonic_ns();
  worker.restarts += 1;
  worker.restart_at_ns = worker.policy.on_death(was_ready, now);
  restart_due_workers(now);
}

void Master::bury(const WorkerProcess& worker) {
  WorkerEntry& entry = segment_.scoreboard()[worker.index];
  SegmentHeader& header = segment_.header();
  header.retired_sequence.fetch_add(1, std::memory_order_acq_rel);
  header.retired.add(entry.counters);
  header.retired_latency.add(entry.latency);
  entry.counters.clear();
  entry.latency.clear();
  entry.pid.store(0, std::memory_order_relaxed);
  entry.flight.connection.store(FlightRecord::kNoConnection, std::memory_order_relaxed);
  entry.flight.phase.store(FlightPhase::kWaiting, std::memory_order_relaxed);
  entry.flight.request_length.store(0, std::memory_order_relaxed);
  entry.flight.private_file.store(-1, std::memory_order_relaxed);
  entry.flight.sockets_in_motion.store(0, std::memory_order_relaxed);
  entry.flight.files_in_motion.store(0, std::memory_order_relaxed);
  entry.state.store(WorkerState::kEmpty, std::memory_order_release);
  header.retired_sequence.fetch_add(1, std::memory_order_acq_rel);
}

void Master::restart_due_workers(std::uint64_t now_ns) {
  if (stage_ == Stage::kRetiring) return;
  for (WorkerProcess& worker : current_->workers) {
    if (worker.running() || now_ns < worker.restart_at_ns) continue;
    if (!spawn(*current_, worker)) {
      spdlog::error("cannot start worker {}: {}", worker.ordinal, std::strerror(errno));
      worker.restart_at_ns = worker.policy.on_death(false, now_ns);
    }
  }
}

// -- stop
// -------------------------------------------------------------------------------------------------------------

void Master::drain() {
  if (inherited_) {  // those who were served before the upgrade are owed an orderly end: in a moment
    stop_asked_ = true;
    return;
  }
  if (stage_ == Stage::kStarting) return retire_all();
  if (stage_ == Stage::kRetiring) return;
  spdlog::info("stopping: finishing the requests in hand");
  stage_ = Stage::kDraining;  // first: the end of a reload may begin the next one, but only while serving
  if (probe_) fail_upgrade("the server stops");
  if (pending_) abort_reload("the server stops");
  segment_.header().state.store(MasterState::kStopping, std::memory_order_release);
  listeners_.close_all();
  give_up_ns_ = monotonic_ns() +
                static_cast<std::uint64_t>(current_->config.server.shutdown_timeout.count()) * 1'000'000U;
}

void Master::retire_all() {
  if (stage_ == Stage::kRetiring) return;
  stage_ = Stage::kRetiring;
  if (probe_) fail_upgrade("the server stops");
  if (pending_) abort_reload("the server stops");
  segment_.header().state.store(MasterState::kEnding, std::memory_order_release);
  listeners_.close_all();
  current_->signal_all(SIGTERM);
  for (const auto& generation : retiring_) generation->signal_all(SIGTERM);
  give_up_ns_ = monotonic_ns() + kRetireTimeoutNs;
}

}  // namespace baton
