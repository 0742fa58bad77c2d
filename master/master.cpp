#include "master/master.h"

#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <sys/timerfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <stdexcept>

#include "common/base/log.h"
#include "common/base/oom_score.h"
#include "common/base/units.h"
#include "common/base/version.h"
#include "master/descriptor_table.h"
#include "master/recovery.h"
#include "master/spawner.h"
#include "master/spool_limits.h"
#include "worker/connection/spool.h"
#include "worker/keyholder.h"
#include "worker/worker.h"

namespace baton {

namespace {

constexpr std::uint64_t kNudgeNs = 200'000'000;
constexpr int kNudgeIntervalMs = 5;
constexpr int kSurelyATick = 10'000;  // ms

constexpr int kSignals[] = {SIGHUP, SIGTERM, SIGINT, SIGQUIT, SIGUSR1, SIGUSR2, SIGCHLD};

sigset_t signal_set() {
  sigset_t set;
  ::sigemptyset(&set);
  for (const int signal : kSignals) ::sigaddset(&set, signal);
  return set;
}

Segment make_segment(const std::string& file, const Config& config) {
  const std::uint32_t descriptors = size_descriptor_table(most_connections(config));
  Segment segment = Segment::create(Segment::name_for(file), {descriptors, kMaxScoreboardEntries});
  SegmentHeader& header = segment.header();
  std::strncpy(header.config_file, file.c_str(), sizeof header.config_file - 1);
  std::strncpy(header.name, config.server.name.c_str(), sizeof header.name - 1);
  header.start_unix = ::time(nullptr);
  header.start_ns = monotonic_ns();
  header.max_connections.store(config.server.max_connections);
  header.module_workers.store(module_workers(config));
  header.max_capacity = most_connections(config);
  return segment;
}

Segment take_segment_over(const std::string& file, const Config& config, const UpgradeState& inherited) {
  Segment segment = Segment::take_over(Segment::name_for(file), {inherited.slots, inherited.entries});
  SegmentHeader& header = segment.header();
  if (!grow_descriptor_table(static_cast<std::uint32_t>(segment.connections().size())))
    log::warn("cannot grow the descriptor table: {}", std::strerror(errno));
  std::strncpy(header.config_file, file.c_str(), sizeof header.config_file - 1);
  std::strncpy(header.name, config.server.name.c_str(), sizeof header.name - 1);
  header.max_connections.store(config.server.max_connections);
  header.module_workers.store(module_workers(config));
  header.max_capacity = inherited.capacity;
  header.state.store(MasterState::kServing);
  header.frozen.store(1);
  std::uint32_t orphans = 0;
  for (const auto& generation : inherited.generations)
    orphans += static_cast<std::uint32_t>(generation.workers.size());
  header.orphans.store(orphans);
  clear_failing(segment.scoreboard());  // of a generation that is over
  // From here on the workers that were started before are orphans. They are frozen: none changes the table.
  header.executions.fetch_add(1);
  return segment;
}

UniqueFd checked(int fd, const char* what) {
  if (fd < 0) throw std::runtime_error(std::string(what) + ": " + std::strerror(errno));
  return UniqueFd(fd);
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
      capacity_(inherited_ ? inherited_->capacity : most_connections(first_config_)),
      pid_file_(inherited_ ? PidFile(inherited_->pid_file, PidFile::Written{})
                           : PidFile(first_config_.server.pid_file)),
      epoll_fd_(inherited_ ? UniqueFd(inherited_->epoll_fd)
                           : checked(::epoll_create1(EPOLL_CLOEXEC), "epoll_create1")),
      epoll_(epoll_fd_.get(), segment_.connections(), &handshake_sets_),
      listeners_(segment_, epoll_),
      sweeper_(segment_, epoll_),
      reclaimer_(
          segment_, epoll_, [this](int fd) { return owns(fd); }, [this] { return a_handshake_set(); }) {
  // A log without a reader, or one that has reached its largest size, is no reason to end.
  ::signal(SIGPIPE, SIG_IGN);
  ::signal(SIGXFSZ, SIG_IGN);
  leave_room_for_workers();
  count_spools_in(segment_.spool_budget());
  set_spool_limits(segment_.header().spool, segment_.spool_budget(), first_config_);
  install_logger(error_log_.fd(), first_config_.log.level, &segment_.header().error_log);
  if (inherited_) {
    if (inherited_->tls_fd >= 0)
      tls_ = TlsTable::adopt(UniqueFd(inherited_->tls_fd), segment_.connections().size());
    prepare_tls(first_config_);
    adopt(*inherited_);
  } else {
    current_ =
        std::make_unique<Generation>(1, first_config_, std::make_shared<LogFile>(first_config_.log.access));
    error_log_.begin(segment_.header().error_log);
    current_->access_log->begin(segment_.header().access_log);
    dictionaries_.remove_leftovers();
    current_->certificates = good_certificates(current_->config);
    current_->dicts = dictionaries_.prepare(first_config_.dicts);
    prepare_tls(first_config_);
    listeners_.prepare(first_config_.file, first_config_.listen);
  }
  if (::geteuid() == 0)
    log::warn(
        "runs as root: whoever finds a way into a worker has the machine; name another user under [server]");

  const sigset_t set = signal_set();
  ::sigprocmask(SIG_BLOCK, &set, nullptr);
  // The process that started us may have ignored SIGCHLD. Inherited, that would have the kernel reap dead
  // workers before we look.
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
  restart_due_workers(monotonic_ns());
  reap_dead();  // workers whose SIGCHLD went to the program before an upgrade
  while (stage_ != Stage::kEnded) {
    epoll_event events[16];
    const int patience = look_after_death();
    guard_.note();
    const int count = ::epoll_wait(own_epoll_.get(), events, std::size(events), patience);
    // The timer ends this wait ten times a second; but a worker, which shares the table, may have closed it.
    if ((count < 0 && errno != EINTR) || (count == 0 && patience == kSurelyATick)) {
      give_up();
      break;
    }
    mend_header();
    for (int i = 0; i < count; ++i) {
      const int fd = events[i].data.fd;
      if (fd == signals_.get()) {
        on_signals();
      } else if (fd == timer_.get()) {
        on_tick();
      } else if (fd == ready_.get()) {
        on_ready();
      } else if (probe_ && fd == probe_->output_fd()) {
        look_at_probe();
      }
    }
    look_for_left_roots();
    reclaimer_.look(current_->config.timeouts);
    forget_retired();
    start_successor(monotonic_ns());
    if (stage_ == Stage::kRetiring && !current_->any_running() && retiring_.empty()) stage_ = Stage::kEnded;
  }
  finish_stop();
  return exit_status_;
}

// -- events ----------------------------------------------------------------------------------------------

void Master::on_signals() {
  signalfd_siginfo info{};
  while (::read(signals_.get(), &info, sizeof info) == static_cast<ssize_t>(sizeof info)) {
    on_signal(static_cast<int>(info.ssi_signo));
  }
  if (errno != EAGAIN && stage_ != Stage::kEnded) {
    give_up();
    stage_ = Stage::kEnded;
  }
}

void Master::on_signal(int signal) {
  switch (signal) {
    case SIGHUP: start_reload(); break;
    case SIGTERM: {
      const bool second = stage_ == Stage::kDraining || stage_ == Stage::kRetiring;
      second ? stop_at_once(signal) : drain();
      break;
    }
    case SIGINT:
    case SIGQUIT: stop_at_once(signal); break;
    case SIGUSR1: reopen_logs(); break;
    case SIGUSR2: start_upgrade(); break;
    default:  // SIGCHLD
      reap_dead();
      if (probe_) look_at_probe();
      post_mortem_.proceed();
  }
}

void Master::mend_header() {
  const std::size_t changed = guard_.mend();
  if (changed == 0) return;
  kick(segment_, epoll_);
  guard_.tell(changed, monotonic_ns());
}

void Master::reopen_logs() {
  bool all = true;
  const auto reopen = [&all](const auto& file, LogLosses& losses) {
    try {
      file.reopen(losses);
    } catch (const std::runtime_error& error) {
      log::error("{}; going on with the old file", error.what());
      all = false;
    }
  };
  reopen(error_log_, segment_.header().error_log);
  reopen(*current_->access_log, segment_.header().access_log);
  if (all) log::info("logs reopened");
}

// Returns how long the loop may wait, in milliseconds. The reclaimer looks again and again for what a dead
// worker left open until all is settled, because a client may be waiting on it. And the one wake-up for a
// connection that was handed on may go to a worker that is stopped, or that is killed next: so the master
// repeats the wake-up until other workers have surely seen it.
int Master::look_after_death() {
  if (monotonic_ns() < nudge_until_ns_) {
    epoll_.nudge();
    return reclaimer_.pending() ? 1 : kNudgeIntervalMs;
  }
  return reclaimer_.pending() ? 1 : kSurelyATick;
}

// A master without its own descriptors gets no signals and no ticks. It ends, so that its supervisor starts
// the server again.
void Master::give_up() {
  log::critical(
      "the master's own descriptors are closed, as by a module that closes what is not its own: "
      "the server ends, to be started again");
  for_each_generation([](Generation& generation) { generation.kill_all(); });
  exit_status_ = ExitStatus::kDamaged;
}

void Master::on_tick() {
  std::uint64_t ticks = 0;
  [[maybe_unused]] const ssize_t ignored = ::read(timer_.get(), &ticks, sizeof ticks);
  on_signals();  // also notices that the signalfd was closed
  const std::uint64_t now = monotonic_ns();
  segment_.files().collect(segment_.scoreboard(), kMasterHolder,
                           [this](int fd) { reclaimer_.close_file(fd); });
  listeners_.mark();
  sweeper_.sweep(tick_of(now), current_->config.timeouts, stage_ == Stage::kDraining);
  watch_workers(now);
  dictionaries_.watch(now);
  rotate_tickets(now);
  post_mortem_.tick(now);
  log_watch_.look(now);
  restart_due_workers(now);
  if (probe_) look_at_probe();
  if (pending_ && now >= give_up_ns_)
    abort_reload("the new workers did not become ready within " + format_duration(kStartTimeoutNs / 1e9));
  stop_if_due(now);
}

void Master::on_ready() {
  std::uint64_t count = 0;
  [[maybe_unused]] const ssize_t ignored = ::read(ready_.get(), &count, sizeof count);
  seat_ready_successor();
  for (WorkerProcess& worker : current_->workers) {
    if (!is_ready(worker)) continue;
    outage_told_ = 0;
    if (worker.policy.failures() == 0) continue;
    log::info("{} (pid {}) is ready after {} failed tries", worker.name(), worker.pid,
              worker.policy.failures());
    worker.policy.on_ready();
  }
  begin_if_settled();
  if (pending_ && all_ready(*pending_)) commit_reload();
}

void Master::begin_service() {
  if (inherited_) return finish_upgrade();
  switch_generation(current_->number);
  listeners_.commit();
  stage_ = Stage::kServing;
  for (const Listener& listener : listeners_.all()) log::info("listening on {}", listener.bound.to_string());
  log::info("ready: {} workers, at most {} connections",
            std::count_if(current_->workers.begin(), current_->workers.end(),
                          [this](const WorkerProcess& worker) {
                            return worker.role == ProcessRole::kWorker && is_ready(worker);
                          }),
            current_->config.server.max_connections);
  // Last, as with reloads and upgrades: a process that sees this state finds the lines about it in the log.
  segment_.header().state.store(MasterState::kServing, std::memory_order_release);
}

// -- workers ---------------------------------------------------------------------------------------------

std::vector<bool> Master::taken_entries() const {
  std::vector<bool> taken(segment_.scoreboard().size());
  for_each_generation([&taken](const Generation& generation) {
    generation.for_each_process([&taken](const WorkerProcess& worker) {
      if (worker.running() || worker.failing) taken[worker.index] = true;
    });
  });
  return taken;
}

int Master::free_entry() const {
  const std::vector<bool> taken = taken_entries();
  const auto free = std::find(taken.begin(), taken.end(), false);
  return free == taken.end() ? -1 : static_cast<int>(free - taken.begin());
}

std::size_t Master::free_entries() const {
  const std::vector<bool> taken = taken_entries();
  return static_cast<std::size_t>(std::count(taken.begin(), taken.end(), false));
}

std::size_t Master::count_running() const {
  std::size_t running = 0;
  for_each_generation([&running](const Generation& generation) {
    generation.for_each_process(
        [&running](const WorkerProcess& worker) { running += worker.running() ? 1 : 0; });
  });
  return running;
}

bool Master::spawn(Generation& generation, WorkerProcess& worker) {
  const int index = worker.failing ? worker.index : free_entry();
  worker.failing = false;
  if (index < 0) {
    errno = EAGAIN;  // workers of earlier generations still have a request in hand
    return false;
  }
  worker.index = static_cast<Holder>(index);
  WorkerEntry& entry = segment_.scoreboard()[worker.index];
  entry.role.store(worker.role, std::memory_order_relaxed);
  entry.ordinal.store(worker.ordinal, std::memory_order_relaxed);
  entry.generation.store(generation.number, std::memory_order_relaxed);
  entry.restarts.store(worker.restarts, std::memory_order_relaxed);
  entry.failures.store(worker.policy.failures(), std::memory_order_relaxed);
  entry.started_ns.store(monotonic_ns(), std::memory_order_relaxed);
  entry.flight.since_ns.store(monotonic_ns(), std::memory_order_relaxed);
  entry.state.store(WorkerState::kStarting, std::memory_order_release);

  segment_.outboxes()[worker.index].spill_fd.store(-1, std::memory_order_relaxed);
  segment_.outboxes()[worker.index].stored_fd.store(-1, std::memory_order_relaxed);
  // Odd, which means in motion, until it is ready: so files that it and its libraries open at the start do
  // not pass for a dead worker's.
  entry.flight.files_in_motion.store(1, std::memory_order_relaxed);
  const bool modules_are_new = &generation == current_.get() || !current_->router.has_modules();
  std::optional<std::size_t> set_index;
  if (worker.role == ProcessRole::kKeyholder) {
    if (worker.handshake_set == kMaxHandshakeSets && !open_handshake_set(worker)) {
      const int error = errno;
      entry.state.store(WorkerState::kEmpty, std::memory_order_release);
      errno = error;
      return false;
    }
    set_index = worker.handshake_set;
  }
  const pid_t pid = spawn_worker([&] {
    const WorkerContext context{
        segment_,          generation.config,
        generation.router, epoll_,
        worker.index,      generation.number,
        ready_.get(),      generation.access_log->fd(),
        generation.dicts,  modules_are_new && worker.ordinal == 0 && worker.restarts == 0,
        set_index};
    entry.pid.store(::getpid(), std::memory_order_relaxed);
    log::set_level(generation.config.log.level);
    if (worker.role == ProcessRole::kKeyholder) run_keyholder(context);
    run_worker(context);
  });
  if (pid < 0) {
    const int error = errno;
    entry.state.store(WorkerState::kEmpty, std::memory_order_release);
    errno = error;
    return false;
  }
  entry.pid.store(pid, std::memory_order_relaxed);
  worker.pid = pid;
  worker.killed = false;
  worker.memory = 0;
  worker.watchdog = {};
  log::debug("{} of generation {} is pid {}", worker.name(), generation.number, worker.pid);
  return true;
}

// Whether `fd` is the master's own; only for descriptors that could pass for what a worker left (Reclaimer).
bool Master::owns(int fd) const {
  if (fd == segment_.fd() || fd == tls_.fd() || error_log_.owns(fd) || listeners_.owns(fd)) return true;
  bool own = false;
  for_each_generation([&](const Generation& generation) {
    own = own || generation.access_log->fd() == fd;
    generation.router.for_each_route([&](const serve::Route& route) {
      own = own || (route.root && route.root->view().fd == fd) || (route.module && route.module->fd() == fd);
    });
  });
  return own;
}

// A worker that found another folder in the place of a root left the old folder open.
void Master::look_for_left_roots() {
  const auto look_at = [this](const Generation& generation) {
    generation.router.for_each_route([this](const serve::Route& route) {
      if (route.root && route.root->take_left_open()) reclaimer_.on_left_open();
    });
  };
  look_at(*current_);
  for (const auto& generation : retiring_) look_at(*generation);
}

bool Master::all_ready(const Generation& generation) const {
  return std::all_of(generation.workers.begin(), generation.workers.end(),
                     [this](const WorkerProcess& worker) { return is_ready(worker); });
}

bool Master::is_ready(const WorkerProcess& worker) const {
  return worker.running() &&
         segment_.scoreboard()[worker.index].state.load(std::memory_order_acquire) != WorkerState::kStarting;
}

// Finds and reaps one at a time: reap() may move the other WorkerProcess objects elsewhere.
void Master::reap_dead() {
  while (true) {
    Generation* its_generation = nullptr;
    WorkerProcess* dead = nullptr;
    for_each_generation([&](Generation& generation) {
      if (dead != nullptr) return;
      its_generation = &generation;
      dead = generation.find_ended();
    });
    if (dead == nullptr) return;
    // Processes that its handlers have started are in its group. The group's number is surely its own until
    // it is waited for.
    ::kill(-dead->pid, SIGKILL);
    const auto end = dead->ended(0);
    if (!end) return;
    reap(*its_generation, *dead, *end);
  }
}

void Master::reap(Generation& generation, WorkerProcess& worker, const siginfo_t& info) {
  const bool sigkill = info.si_code != CLD_EXITED && info.si_status == SIGKILL;
  const WorkerEntry& entry = segment_.scoreboard()[worker.index];
  const FlightPhase phase = entry.flight.phase.load(std::memory_order_relaxed);
  const bool serving = phase == FlightPhase::kServing && entry.state.load() == WorkerState::kReady;
  const Death death =
      classify_death(info, {worker.watchdog.fired(), sigkill && oom_.moved(), serving, worker.killed});
  if (death.cause != Cause::kRetired) reclaimer_.on_death(phase);
  LastMoments moments = last_moments(segment_, worker, generation.router, monotonic_ns());
  worker.pid = -1;
  if (generation.orphaned)  // addresses without an object are those of the program before this one
    std::erase_if(moments.crash.frames, [](const Symbolizer::Frame& frame) { return frame.object.empty(); });
  if (stage_ == Stage::kRetiring) cut_offs_.add_of(segment_, worker.index);
  const std::vector<Recovered> held =
      recover(segment_, epoll_, worker.index, death, current_->config, generation.access_log->fd());
  bury(worker);
  // No report if the master killed it before it was ready, because the log says why already; nor for a
  // successor after the first one that could not start.
  const bool known = (worker.killed && !moments.was_ready) ||
                     (generation.is_successor(worker) && generation.succession.failures() > 0);
  nudge_until_ns_ = monotonic_ns() + kNudgeNs;
  if (generation.orphaned) lose_orphan();
  after_death(generation, worker, moments, death);
  // After all repairs: a log on a slow disk must not hold up a connection.
  if (death.cause != Cause::kRetired && !known)
    post_mortem_.report(log::Level::kWarn, moments, death, held, monotonic_ns());
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
  entry.flight.route.store(FlightRecord::kNoRoute, std::memory_order_relaxed);
  entry.flight.handler.store(FlightRecord::kNoHandler, std::memory_order_relaxed);
  entry.flight.limit_ms.store(0, std::memory_order_relaxed);
  entry.retire.store(0, std::memory_order_relaxed);
  entry.base_memory.store(0, std::memory_order_relaxed);
  entry.crash.frame_count.store(0, std::memory_order_relaxed);
  entry.crash.object_count.store(0, std::memory_order_relaxed);
  entry.flight.retries.store(0, std::memory_order_relaxed);
  entry.complaint[0] = '\0';
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
      after_failed_start(worker, std::string("no process: ") + std::strerror(errno), now_ns);
    }
  }
}

}  // namespace baton
