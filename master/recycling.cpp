// Recycling: a successor replaces a worker that has served its share of requests or holds too much memory. As
// in a reload, the successor is ready before the old worker goes. One worker is replaced at a time over the
// whole server.
//
//   old worker: serves -----------------------------------------------------------------> retires, ends
//                 |                                                                         ^
//                 | it is the oldest of the workers to be replaced                          |
//                 v                                                                         |
//               start_successor                                                             |
//                 |                                                                         |
//                 v                                                                         |
//   successor:  starts, in another entry, with the same ordinal --ready--> seat_ready_successor: it serves
//                 |
//                 +--dies, or is not ready in time--> after_failed_successor: another try later
//
// Whether a worker is to be replaced is read anew each time: so there is no state that a death could spoil.
// If a worker dies while its successor starts, the successor gets its place. A reload, an upgrade or a stop
// dismisses the successor, which holds nothing before it is ready.
#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#include "common/base/log.h"
#include "common/base/private_memory.h"
#include "common/base/units.h"
#include "master/master.h"

namespace baton {

namespace {

// The next worker is replaced when the last one has ended, or has been leaving for this long.
constexpr std::uint64_t kLeavePatienceNs = 10'000'000'000;

constexpr std::uint64_t kMega = std::uint64_t{1} << 20;

}  // namespace

void Master::look_at_memory(WorkerProcess& worker) {
  const std::uint64_t most = current_->config.limits.worker_memory;
  if (most == 0 || !current_->has_a_place(worker)) return;
  const std::uint64_t base = segment_.scoreboard()[worker.index].base_memory.load(std::memory_order_relaxed);
  if (base <= most) {
    worker.memory = private_memory(worker.pid).value_or(0);
    return;
  }
  if (std::exchange(current_->small_limit_told, true)) return;
  const std::uint64_t would_do = (base + std::max(base / 2, 8 * kMega) + kMega - 1) / kMega * kMega;
  log::warn(
      "worker_memory is {}, but a worker holds {} when it has just started: none such is replaced for its "
      "memory; {} would do",
      format_bytes(most), format_bytes(base), format_bytes(would_do));
}

bool Master::has_served_its_share(const WorkerProcess& worker) const {
  const std::uint64_t share = current_->config.limits.requests_per_worker;
  const Counters& counters = segment_.scoreboard()[worker.index].counters;
  return share != 0 && counters.requests.load(std::memory_order_relaxed) >= share;
}

// Returns the oldest worker that is to be replaced, so that each has its turn.
WorkerProcess* Master::next_to_replace() {
  const std::uint64_t most_memory = current_->config.limits.worker_memory;
  WorkerProcess* oldest = nullptr;
  std::uint64_t since = 0;
  for (WorkerProcess& worker : current_->workers) {
    if (worker.role != ProcessRole::kWorker || !is_ready(worker)) continue;
    if (!has_served_its_share(worker) && (most_memory == 0 || worker.memory <= most_memory)) continue;
    const std::uint64_t started =
        segment_.scoreboard()[worker.index].started_ns.load(std::memory_order_relaxed);
    if (oldest != nullptr && started >= since) continue;
    oldest = &worker;
    since = started;
  }
  return oldest;
}

void Master::start_successor(std::uint64_t now_ns) {
  Generation& serving = *current_;
  const LimitConfig& limits = serving.config.limits;
  if (limits.requests_per_worker == 0 && limits.worker_memory == 0) return;
  if (stage_ != Stage::kServing || pending_ || probe_) return;
  if (serving.successor || now_ns < serving.next_successor_ns) return;
  const auto leaves = [now_ns](const WorkerProcess& worker) {
    return worker.running() && now_ns - worker.replaced_ns < kLeavePatienceNs;
  };
  const auto starts = [this](const WorkerProcess& worker) { return worker.running() && !is_ready(worker); };
  if (std::any_of(serving.leaving.begin(), serving.leaving.end(), leaves) ||
      std::any_of(serving.workers.begin(), serving.workers.end(), starts))
    return;
  const WorkerProcess* const old = next_to_replace();
  // A reload must find free entries for its workers, however many old workers never finish their request.
  if (old == nullptr || free_entries() <= kMaxWorkersPerGeneration) return;
  WorkerProcess& successor = serving.successor.emplace();
  successor.ordinal = old->ordinal;
  successor.restarts = old->restarts + 1;
  successor.policy = serving.succession;
  if (!spawn(serving, successor))
    after_failed_successor(std::string("its successor gets no process: ") + std::strerror(errno), false,
                           now_ns);
}

void Master::seat_ready_successor() {
  Generation& serving = *current_;
  if (!serving.successor || !is_ready(*serving.successor)) return;
  WorkerProcess& place = serving.workers[serving.successor->ordinal];
  WorkerProcess old = std::exchange(place, *serving.successor);
  serving.successor.reset();
  serving.succession.on_ready();
  WorkerEntry& entry = segment_.scoreboard()[old.index];
  const std::uint64_t requests = entry.counters.requests.load(std::memory_order_relaxed);
  const std::string why = has_served_its_share(old)
                              ? fmt::format("{} requests, requests_per_worker is {}", format_count(requests),
                                            format_count(serving.config.limits.requests_per_worker))
                              : fmt::format("{} of memory, worker_memory is {}", format_bytes(old.memory),
                                            format_bytes(serving.config.limits.worker_memory));
  log::info("{} (pid {}) retires: {}; pid {} serves in its place", old.name(), old.pid, why, place.pid);
  entry.retire.store(1, std::memory_order_relaxed);
  take_place_back(old);
  old.wake();  // for a worker that waits; a worker that has events looks at its entry anyway
  old.replaced_ns = monotonic_ns();
  serving.leaving.push_back(old);
}

void Master::dismiss_successor() {
  seat_ready_successor();
  if (!current_->successor) return;
  current_->successor->kill();
  current_->leaving.push_back(*current_->successor);
  current_->successor.reset();
}

// `how`: a sentence. The old worker goes on, so there is no hurry, and the log is told only once.
void Master::after_failed_successor(const std::string& how, bool was_ready, std::uint64_t now_ns) {
  Generation& serving = *current_;
  const WorkerProcess& old = serving.workers[serving.successor->ordinal];
  const bool first = serving.succession.failures() == 0;
  serving.next_successor_ns = serving.succession.on_death(was_ready, now_ns);
  if (first && !was_ready)
    log::error("{} (pid {}) goes on, because it cannot be replaced yet: {}", old.name(), old.pid, how);
  serving.successor.reset();
}

}  // namespace baton
