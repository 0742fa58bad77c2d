#include "tests/campaign/schedule.h"

#include <signal.h>

#include <algorithm>
#include <cstdio>

#include "common/base/clock.h"
#include "tests/support/observe.h"
#include "tests/support/wait.h"

namespace baton::survive {

namespace {

constexpr std::uint64_t kMs = 1'000'000;
constexpr std::uint64_t kLookEveryUs = 100;
constexpr std::uint64_t kSearchNs = 5 * kMs;  // for a worker in the act
constexpr std::uint64_t kPatienceNs = 120'000 * kMs;
constexpr std::uint64_t kStormEveryMs = 5'000;
constexpr std::uint64_t kUpgradeEveryMs = 9'000;

}  // namespace

Schedule::Schedule(const Plan& plan, const test::Server& server, test::CrashPoints& points)
    : plan_(plan), server_(server), points_(points), random_(plan.seed), recovery_(server.segment()) {}

std::uint64_t Schedule::any(std::uint64_t least, std::uint64_t most) {
  return std::uniform_int_distribution<std::uint64_t>(least, most)(random_);
}

std::optional<Schedule::Victim> Schedule::any_worker(bool busy) {
  std::vector<Victim> found;
  const Scoreboard scoreboard = server_.segment().scoreboard();
  for (std::size_t i = 0; i < scoreboard.size(); ++i) {
    const WorkerEntry& entry = scoreboard[i];
    const pid_t pid = entry.pid.load();
    if (entry.state.load() != WorkerState::kReady || pid <= 0) continue;
    if (busy && entry.flight.connection.load() == FlightRecord::kNoConnection) continue;
    found.push_back({pid, static_cast<Holder>(i)});
  }
  if (found.empty()) return std::nullopt;
  return found[any(0, found.size() - 1)];
}

// False: it was dead already. One that has been killed just now is a zombie until the master looks, and can
// be killed again.
bool Schedule::kill(const Victim& victim) {
  return process_start(victim.pid) != 0 && ::kill(victim.pid, SIGKILL) == 0;
}

// A signal takes effect when it does: only of a worker that stands still is it certain what it holds as it
// dies.
bool Schedule::kill_measured(const Victim& victim) {
  if (::kill(victim.pid, SIGSTOP) != 0) return false;
  const bool stands = test::wait_until([&] {
    const std::string state = test::status_field(victim.pid, "State");
    return state.empty() || state.starts_with("T") || state.starts_with("Z");
  });
  if (!stands || process_start(victim.pid) == 0) return false;
  if (!recovery_.will_be_killed(victim.holder)) {
    ::kill(victim.pid, SIGCONT);
    return false;
  }
  if (::kill(victim.pid, SIGKILL) != 0) return false;
  recovery_.killed(monotonic_ns());
  return true;
}

void Schedule::kill_one() {
  if (!armed_.empty()) {
    points_.disarm();
    if (points_.hits() > 0) ++done_.kills_at_points;
    if (points_.hits() > 0 && plan_.verbose)
      std::printf("    %llu ms: killed %d at %.*s\n",
                  static_cast<unsigned long long>((monotonic_ns() - begin_ns_) / kMs), points_.last_pid(),
                  static_cast<int>(armed_.size()), armed_.data());
    armed_ = {};
  }
  const std::uint64_t how = any(0, 9);
  if (how < 4 && plan_.points) return arm_one();
  const std::uint64_t give_up = monotonic_ns() + kSearchNs;
  while (how < 7 && monotonic_ns() < give_up) {
    const std::optional<Victim> victim = any_worker(true);
    if (!victim || !kill_measured(*victim)) continue;
    ++done_.kills_of_busy;
    return;
  }
  const std::optional<Victim> victim = any_worker(false);
  if (victim && kill(*victim)) ++done_.kills_at_random;
}

void Schedule::arm_one() {
  armed_ = kCrashPoints[any(0, kCrashPointCount - 1)];
  points_.kill_at(armed_, SIGKILL, 1, static_cast<std::uint32_t>(any(0, 20)));
}

void Schedule::stop_one(std::uint64_t now) {
  const auto victim = any_worker(false);
  if (!victim || ::kill(victim->pid, SIGSTOP) != 0) return;
  ++done_.stops;
  stopped_.emplace_back(victim->pid, now + any(5, 150) * kMs);
}

void Schedule::go_on(std::uint64_t now, bool all) {
  std::erase_if(stopped_, [&](const auto& stopped) {
    if (!all && now < stopped.second) return false;
    ::kill(stopped.first, SIGCONT);
    return true;
  });
}

void Schedule::storm(std::uint64_t now) {
  if (plan_.reloads && now >= next_storm_ns_) {
    for (std::uint64_t i = any(1, 8); i > 0; --i, ++done_.reloads) server_.signal(SIGHUP);
    next_storm_ns_ = now + any(kStormEveryMs / 2, kStormEveryMs) * kMs;
  }
  if (plan_.upgrades && now >= next_upgrade_ns_) {
    server_.signal(SIGUSR2);
    ++done_.upgrades;
    next_upgrade_ns_ = now + any(kUpgradeEveryMs / 2, kUpgradeEveryMs) * kMs;
  }
}

// The master keeps its own: with a table that is full for it as well it could not start a worker.
void Schedule::limit_new_workers() {
  const rlimit limit{plan_.descriptors, plan_.descriptors};
  if (plan_.descriptors == 0) return;
  for (const pid_t worker : server_.workers()) ::prlimit(worker, RLIMIT_NOFILE, &limit, nullptr);
}

void Schedule::run() {
  const std::uint64_t begin = begin_ns_ = monotonic_ns();
  const std::uint64_t end = begin + plan_.seconds * 1'000 * kMs;
  // Some of what is armed is not reached before the next one: tries come faster than kills are wanted.
  const std::uint64_t mean_us = plan_.seconds * 1'000'000 / (plan_.kills + plan_.kills / 2 + 1);
  next_storm_ns_ = begin + 1'000 * kMs;
  next_upgrade_ns_ = begin + 2'000 * kMs;
  std::uint64_t next_kill = begin;
  std::uint64_t next_stop = begin;
  // A busy machine takes longer to come to so many: twice the time, and not less than two minutes.
  const std::uint64_t latest = std::max(end + (end - begin), begin + kPatienceNs);
  for (std::uint64_t now = begin; now < end || (done_.kills() < plan_.kills && now < latest);) {
    if (now >= next_kill) {
      kill_one();
      next_kill = now + any(0, 2 * mean_us) * 1'000;
    }
    if (plan_.stops && now >= next_stop) {
      stop_one(now);
      next_stop = now + any(50, 500) * kMs;
    }
    limit_new_workers();
    go_on(now, false);
    storm(now);
    recovery_.look(monotonic_ns());
    std::this_thread::sleep_for(std::chrono::microseconds(kLookEveryUs));
    now = monotonic_ns();
  }
  points_.disarm();
  go_on(0, true);
  // What was begun in the last moments.
  const std::uint64_t last = monotonic_ns() + 500 * kMs;
  while (monotonic_ns() < last) {
    recovery_.look(monotonic_ns());
    std::this_thread::sleep_for(std::chrono::microseconds(kLookEveryUs));
  }
}

}  // namespace baton::survive
