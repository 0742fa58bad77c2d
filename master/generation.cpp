#include "master/generation.h"

#include <signal.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

namespace baton {

std::optional<siginfo_t> WorkerProcess::ended(int options) const {
  siginfo_t info{};
  if (!running() || ::waitid(P_PID, static_cast<id_t>(pid), &info, WEXITED | WNOHANG | options) != 0 ||
      info.si_pid != pid)
    return std::nullopt;
  return info;
}

std::string WorkerProcess::name() const {
  return std::string(to_string(role)) + " " + std::to_string(ordinal);
}

// The number is surely its own: see spawn_worker().
void WorkerProcess::signal(int number) const {
  if (running()) ::kill(pid, number);
}

void WorkerProcess::wake() const {
  if (running()) ::syscall(SYS_tgkill, pid, pid, SIGTERM);
}

void WorkerProcess::kill() {
  killed = true;
  signal(SIGKILL);
}

Generation::Generation(std::uint32_t generation_number, Config configuration, std::shared_ptr<LogFile> log)
    : number(generation_number),
      config(std::move(configuration)),
      router(config),
      access_log(std::move(log)) {
  const std::uint32_t keyholders = config.any_tls() ? config.tls.keyholders : 0;
  workers.resize(config.server.workers + keyholders);
  for (std::uint32_t i = 0; i < workers.size(); ++i) {
    const bool serves = i < config.server.workers;
    workers[i].role = serves ? ProcessRole::kWorker : ProcessRole::kKeyholder;
    workers[i].ordinal = serves ? i : i - config.server.workers;
  }
}

Generation::Generation(const UpgradeState::Generation& state, std::shared_ptr<LogFile> log)
    : Generation(state.number, Config{}, std::move(log)) {
  orphaned = true;
  for (const UpgradeState::Worker& worker : state.workers) {
    WorkerProcess& process = workers.emplace_back();
    process.role = worker.keyholder ? ProcessRole::kKeyholder : ProcessRole::kWorker;
    process.ordinal = worker.ordinal;
    process.index = worker.index;
    process.pid = worker.pid;
    process.restarts = worker.restarts;
  }
}

bool Generation::any_running() const {
  bool any = false;
  for_each_process([&any](const WorkerProcess& worker) { any = any || worker.running(); });
  return any;
}

WorkerProcess* Generation::find_ended() {
  WorkerProcess* found = nullptr;
  for_each_process([&found](WorkerProcess& worker) {
    if (found == nullptr && worker.ended(WNOWAIT)) found = &worker;
  });
  return found;
}

void Generation::wake_all() const {
  for_each_process([](const WorkerProcess& worker) { worker.wake(); });
}

void Generation::kill_all() {
  for_each_process([](WorkerProcess& worker) { worker.kill(); });
}

}  // namespace baton
