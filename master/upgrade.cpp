// Upgrade (SIGUSR2): another program goes on in the master's own process.
//
//   the old program
//     start_upgrade    asks the new program, in a process of its own, whether it can take over
//                      (master/upgrade_probe.h)
//     execute          binds the new listeners, writes down what stays (master/upgrade_state.h), freezes the
//                      descriptor table (master/freeze.h), execve(2)
//   the new program
//     Master::Master   takes over the segment, the epoll set, the listeners, the logs and the children
//     adopt            puts the children, which are orphans now, into retiring generations
//     run, on_ready    starts its own workers, which wait until all are ready
//     finish_upgrade   does the one store to SegmentHeader::generation, then lifts the freeze
//
// Up to execve(2) every failure leaves everything as it was. Afterwards there is no way back, so the probe
// tries beforehand what can fail.
#include <fcntl.h>
#include <linux/close_range.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <map>
#include <stdexcept>
#include <utility>

#include "common/base/log.h"
#include "common/base/version.h"
#include "master/command_report.h"
#include "master/freeze.h"
#include "master/master.h"

namespace baton {

namespace {

// No client is served meanwhile.
constexpr std::chrono::milliseconds kFreezePatience{50};

// For descriptors that the new program opens without having announced them.
constexpr std::uint32_t kSpareDescriptors = 32;

// Clears close-on-exec on every descriptor but `own`, so that sockets, files, logs and the epoll set stay
// open. With a limit of 22,000 this takes 2 ms; reading /proc/self/fd with 10,000 open takes longer.
void keep_on_exec(std::uint32_t limit, const std::vector<int>& own) {
  for (std::uint32_t fd = STDERR_FILENO + 1; fd < limit; ++fd) ::fcntl(static_cast<int>(fd), F_SETFD, 0);
  for (const int fd : own) ::fcntl(fd, F_SETFD, FD_CLOEXEC);  // of no effect on -1
}

std::vector<std::string> environment_with(const std::string& name, const std::string& value) {
  std::vector<std::string> variables;
  for (char** variable = environ; *variable != nullptr; ++variable) variables.emplace_back(*variable);
  variables.push_back(name + "=" + value);
  return variables;
}

std::vector<char*> pointers_to(std::vector<std::string>& texts) {
  std::vector<char*> pointers;
  pointers.reserve(texts.size() + 1);
  for (std::string& text : texts) pointers.push_back(text.data());
  pointers.push_back(nullptr);
  return pointers;
}

}  // namespace

void Master::start_upgrade() {
  if (probe_) return;  // its report will answer this request, too
  if (stage_ != Stage::kServing && !inherited_)
    return fail_upgrade("the server is not serving: it starts or stops");
  if (pending_ || inherited_) {
    upgrade_asked_ = true;
    return;
  }
  try {
    probe_ = std::make_unique<UpgradeProbe>(program_, config_file_);
    watch(probe_->output_fd());
    dismiss_successor();  // the table can be frozen only while no worker starts
  } catch (const std::runtime_error& error) {
    fail_upgrade(error.what());
  }
}

void Master::look_at_probe() {
  if (!probe_->look(monotonic_ns())) return;
  const auto probe = std::move(probe_);
  if (!probe->report()) return fail_upgrade(probe->failure());
  execute(*probe->report());
}

void Master::execute(const ProbeReport& report) {
  try {
    listeners_.prepare(report.file, report.listen);
    if (const std::string why = no_room_for(report); !why.empty()) throw std::runtime_error(why);
    log::info("upgrade: executing {}, version {}", program_, report.version);
    post_mortem_.finish();  // the next program could not resolve its addresses, nor reap its child
    const UniqueFd state = state_to_hand_over().save();
    if (auto why = freeze(segment_, epoll_, running_workers(), kFreezePatience))
      throw std::runtime_error(*why);
    exec_program(state);
    const int error = errno;
    ::close_range(STDERR_FILENO + 1, ~0U, CLOSE_RANGE_CLOEXEC);
    thaw(segment_, epoll_);
    throw std::runtime_error("cannot execute " + program_ + ": " + std::strerror(error));
  } catch (const std::runtime_error& error) {
    listeners_.abandon();
    fail_upgrade(error.what());
  }
}

// Returns only if it fails; errno says why.
void Master::exec_program(const UniqueFd& state) {
  std::vector<std::string> arguments{program_, "-c", config_file_};
  std::vector<std::string> environment = environment_with(kUpgradeVariable, name_of_state(state.get()));
  const std::vector<char*> argv = pointers_to(arguments);
  const std::vector<char*> envp = pointers_to(environment);
  keep_on_exec(static_cast<std::uint32_t>(segment_.connections().size()), own_descriptors());
  ::execve(program_.c_str(), argv.data(), envp.data());
}

// Says which room the new program would lack when there is no way back any more. Empty: none.
std::string Master::no_room_for(const ProbeReport& report) const {
  if (segment_.scoreboard().size() - count_running() < report.workers)
    return "too many workers of earlier generations still have a request in hand; try again later";
  std::vector<UniqueFd> room;
  const std::size_t wanted = report.descriptors + report.workers + kSpareDescriptors;
  while (room.size() < wanted) {
    room.emplace_back(::fcntl(ready_.get(), F_DUPFD_CLOEXEC, 0));
    if (!room.back())
      return "of " + std::to_string(segment_.connections().size()) + " descriptors not even " +
             std::to_string(wanted) + " are free; try again later";
  }
  return "";
}

UpgradeState Master::state_to_hand_over() const {
  UpgradeState state;
  state.version = kVersion;
  state.begun_ns = monotonic_ns();
  state.epoll_fd = epoll_fd_.get();
  state.tls_fd = tls_.fd();
  state.error_log = error_log_.target();
  state.error_log_fd = error_log_.fd();
  state.pid_file = pid_file_.path();
  state.reload_asked = reload_again_;
  state.slots = segment_.sizes().slots;
  state.entries = segment_.sizes().workers;
  state.capacity = capacity_;
  state.listeners = listeners_.state();
  const auto add = [&state](const Generation& generation) {
    UpgradeState::Generation entry{
        generation.number, generation.access_log->target(), generation.access_log->fd(), {}};
    generation.for_each_process([&entry](const WorkerProcess& worker) {
      if (!worker.running()) return;
      entry.workers.push_back({worker.pid, worker.index, worker.ordinal, worker.restarts,
                               worker.role == ProcessRole::kKeyholder});
    });
    state.generations.push_back(std::move(entry));
  };
  add(*current_);
  for (const auto& generation : retiring_) add(*generation);
  return state;
}

std::vector<const WorkerProcess*> Master::running_workers() const {
  std::vector<const WorkerProcess*> running;
  const auto add = [&running](const Generation& generation) {
    if (generation.orphaned) return;  // they have a descriptor table of their own
    generation.for_each_process([&running](const WorkerProcess& worker) {
      if (worker.running()) running.push_back(&worker);
    });
  };
  add(*current_);
  for (const auto& generation : retiring_) add(*generation);
  return running;
}

// The descriptors that the new program has no use for: it makes its own.
std::vector<int> Master::own_descriptors() const {
  std::vector<int> own{segment_.fd(), own_epoll_.get(), signals_.get(), timer_.get(), ready_.get()};
  for (const int set : handshake_sets_.fds) own.push_back(set);
  const auto add = [&own](const Generation& generation) {
    generation.router.for_each_route([&own](const serve::Route& route) {
      if (route.root) own.push_back(route.root->view().fd);
    });
  };
  add(*current_);
  for (const auto& generation : retiring_) add(*generation);
  return own;
}

void Master::fail_upgrade(const std::string& why) {
  probe_.reset();
  log::error("upgrade failed, version {} goes on: {}", kVersion, why);
  publish(segment_.header().upgrade, false, why);
  go_on();
}

void Master::go_on() {
  if (stage_ != Stage::kServing || pending_ || probe_) return;
  if (std::exchange(reload_again_, false)) start_reload();
  if (!pending_ && std::exchange(upgrade_asked_, false)) start_upgrade();
}

void Master::adopt(const UpgradeState& state) {
  std::map<int, std::shared_ptr<LogFile>> logs;  // several generations may share one
  const auto log_of = [&logs](const UpgradeState::Generation& generation) {
    auto& log = logs[generation.access_log_fd];
    if (generation.access_log_fd < 0 || !log)
      log = std::make_shared<LogFile>(generation.access_log, UniqueFd(generation.access_log_fd));
    return log;
  };
  dictionaries_.take_over();
  for (const UpgradeState::Generation& generation : state.generations) {
    retiring_.push_back(std::make_unique<Generation>(generation, log_of(generation)));
    retiring_.back()->dicts = dictionaries_.all();  // its workers may use any of them
  }
  clear_failing(segment_.scoreboard());  // no master starts those workers again
  const Generation& before = *retiring_.front();
  auto access_log = before.access_log;
  if (access_log->target() != first_config_.log.access) {
    try {
      access_log = std::make_shared<LogFile>(first_config_.log.access);
      access_log->begin(segment_.header().access_log);
    } catch (const std::runtime_error& error) {  // although the probe could open it; there is no way back
      log::error("{}; going on with the old file", error.what());
    }
  }
  current_ = std::make_unique<Generation>(before.number + 1, first_config_, std::move(access_log));
  segment_.places().forget_speeds(current_->number);
  current_->dicts = dictionaries_.prepare_possible(first_config_.dicts);
  try {
    current_->certificates = good_certificates(current_->config);
  } catch (const std::runtime_error& error) {  // the files have changed since the probe has read them
    log::error("{}", error.what());
  }
  reload_again_ = state.reload_asked;
  listeners_.adopt(state.listeners);
  try {
    listeners_.prepare(first_config_.file, first_config_.listen);
  } catch (const std::runtime_error& error) {  // the file has changed again since the probe has read it
    log::error("{}", error.what());
  }
}

void Master::finish_upgrade() {
  const UpgradeState before = *std::exchange(inherited_, std::nullopt);
  SegmentHeader& header = segment_.header();
  stage_ = Stage::kServing;
  // Before thaw(): an old worker that sees the freeze lifted must also see that it is replaced.
  switch_generation(current_->number);
  for (const auto& generation : retiring_) take_places_back(*generation);
  std::string trouble;
  try {
    listeners_.commit();
    error_log_.prepare(current_->config.log.error);
    error_log_.commit(header.error_log);
  } catch (const std::runtime_error& error) {
    trouble = std::string("; but ") + error.what();
  }
  const std::uint64_t taken_ms = (monotonic_ns() - before.begun_ns) / 1'000'000;
  move_handshakes();
  thaw(segment_, epoll_);
  for (const auto& generation : retiring_) generation->wake_all();
  const std::string message = "upgraded from " + before.version + " to " + kVersion + " in " +
                              std::to_string(taken_ms) + " ms; " + std::to_string(header.connections.load()) +
                              " connections went on" + dictionaries_.remarks(current_->config.dicts) +
                              trouble;
  log::info("{}", message);
  publish(header.upgrade, trouble.empty(), message);
  if (stop_asked_) return drain();
  go_on();
}

void Master::lose_orphan() {
  move_handshakes();
  if (segment_.header().orphans.fetch_sub(1) != 1) return;
  // The last orphan is gone, and with it the second descriptor table. Descriptors from before the upgrade
  // that the orphans closed in their table are still open in ours.
  reclaimer_.on_death(FlightPhase::kWaiting);
}

}  // namespace baton
