#include "common/stats/stats.h"

#include <fmt/format.h>
#include <sched.h>

#include <algorithm>
#include <array>
#include <ctime>
#include <span>
#include <tuple>

#include "common/base/clock.h"
#include "common/base/printable.h"
#include "common/base/units.h"

namespace baton {

namespace {

// The master makes a sequence odd for microseconds, unless it has to wait for the processor or dies there.
// After this many looks it counts as dead: numbers that count one worker twice are better than none.
constexpr int kMaxLooks = 500;
constexpr int kQuickLooks = 20;

void before_next_look(int look) {
  if (look < kQuickLooks) {
    ::sched_yield();
  } else {
    const timespec pause{0, 100'000};
    ::nanosleep(&pause, nullptr);
  }
}

struct Field {
  std::uint64_t Activity::*value;
  Counters::Counter Counters::*counter;
};

constexpr std::array kFields{
    Field{&Activity::requests, &Counters::requests},
    Field{&Activity::accepted, &Counters::accepted},
    Field{&Activity::closed, &Counters::closed},
    Field{&Activity::bytes_in, &Counters::bytes_in},
    Field{&Activity::bytes_out, &Counters::bytes_out},
    Field{&Activity::wakeups, &Counters::wakeups},
    Field{&Activity::claims_lost, &Counters::claims_lost},
    Field{&Activity::parked, &Counters::parked},
    Field{&Activity::timeouts, &Counters::timeouts},
    Field{&Activity::accept_paused, &Counters::accept_paused},
    Field{&Activity::files_opened, &Counters::files_opened},
    Field{&Activity::evicted, &Counters::evicted},
    Field{&Activity::refused, &Counters::refused},
    Field{&Activity::places_refused, &Counters::places_refused},
    Field{&Activity::spool_refused, &Counters::spool_refused},
    Field{&Activity::handshakes, &Counters::handshakes},
    Field{&Activity::handshakes_resumed, &Counters::handshakes_resumed},
    Field{&Activity::handshakes_replayed, &Counters::handshakes_replayed},
    Field{&Activity::handshakes_failed, &Counters::handshakes_failed},
};

constexpr double kNsPerSecond = 1e9;

// Different processes have read the two clocks, so a start after `now` counts as now.
double seconds_since(std::uint64_t start_ns, std::uint64_t now_ns) {
  return start_ns < now_ns ? static_cast<double>(now_ns - start_ns) / kNsPerSecond : 0.0;
}

// `length` comes from shared memory that another process may be writing, so it is cut to `field`.
std::optional<std::string> line_of(std::span<const char> field, std::size_t length) {
  if (length == 0) return std::nullopt;
  return std::string(field.data(), std::min(length, field.size()));
}

// The record keeps the last request's line until the next one is read. Before that it is not the request in
// hand.
std::optional<std::string> request_of(const FlightRecord& flight) {
  const FlightPhase phase = flight.phase.load(std::memory_order_relaxed);
  if (phase != FlightPhase::kServing && phase != FlightPhase::kSending) return std::nullopt;
  return line_of(flight.request_line, flight.request_length.load(std::memory_order_acquire));
}

std::string ordinal(std::uint32_t n) {
  const std::uint32_t last = n % 100 >= 11 && n % 100 <= 13 ? 0 : n % 10;
  return fmt::format("{}{}", n, last == 1 ? "st" : last == 2 ? "nd" : last == 3 ? "rd" : "th");
}

ServerStats server_of(const SegmentHeader& header, std::uint64_t now_ns) {
  ServerStats server;
  server.name = text_of(header.name);
  server.version = text_of(header.version);
  server.master_pid = header.master_pid.load(std::memory_order_relaxed);
  server.state = header.state.load(std::memory_order_relaxed);
  server.generation = header.generation.load(std::memory_order_relaxed);
  server.uptime_s = seconds_since(header.start_ns, now_ns);
  server.config_file = text_of(header.config_file);
  server.max_connections = header.max_connections.load(std::memory_order_relaxed);
  const std::size_t listeners =
      std::min<std::size_t>(header.listener_count.load(std::memory_order_acquire), kMaxListeners);
  for (std::size_t i = 0; i < listeners; ++i) server.listen.push_back(text_of(header.listeners[i]));
  server.last_reload = read_report(header.reload);
  return server;
}

WorkerStats worker_of(const WorkerEntry& entry, WorkerState state, std::uint64_t now_ns) {
  const FlightRecord& flight = entry.flight;
  WorkerStats worker;
  worker.role = entry.role.load(std::memory_order_relaxed);
  worker.ordinal = entry.ordinal.load(std::memory_order_relaxed);
  worker.pid = entry.pid.load(std::memory_order_relaxed);
  worker.state = state;
  worker.generation = entry.generation.load(std::memory_order_relaxed);
  worker.restarts = entry.restarts.load(std::memory_order_relaxed);
  if (state == WorkerState::kFailing) {
    worker.failures = entry.failures.load(std::memory_order_relaxed);
    worker.retry_s = seconds_since(now_ns, entry.retry_ns.load(std::memory_order_relaxed));
    worker.last_death = text_of(entry.last_death);
    return worker;
  }
  worker.uptime_s = seconds_since(entry.started_ns.load(std::memory_order_relaxed), now_ns);
  worker.phase = flight.phase.load(std::memory_order_relaxed);
  if (worker.phase != FlightPhase::kWaiting) {
    worker.busy_s = seconds_since(flight.since_ns.load(std::memory_order_relaxed), now_ns);
    const std::uint32_t fd = flight.connection.load(std::memory_order_relaxed);
    if (fd != FlightRecord::kNoConnection) worker.connection = static_cast<int>(fd);
    worker.request = request_of(flight);
  }
  worker.activity.add(entry.counters, entry.latency);
  return worker;
}

void look_at_workers(const Segment& segment, Snapshot& snapshot) {
  const SegmentHeader& header = segment.header();
  snapshot.totals.places = {header.module_workers.load(std::memory_order_relaxed),
                            segment.places().held.count_held(), segment.places().line.count()};
  snapshot.totals.spool = segment.spool_budget().use();
  snapshot.totals.access_lines_dropped = header.access_log.lines.load(std::memory_order_relaxed);
  snapshot.totals.error_lines_dropped = header.error_log.lines.load(std::memory_order_relaxed);
  snapshot.totals.activity = Activity{};
  snapshot.totals.activity.add(header.retired, header.retired_latency);
  snapshot.workers.clear();
  for (const WorkerEntry& entry : segment.scoreboard()) {
    WorkerState state = entry.state.load(std::memory_order_acquire);
    if (state == WorkerState::kEmpty) continue;
    if (state == WorkerState::kReady && entry.retire.load(std::memory_order_relaxed) != 0)
      state = WorkerState::kRetiring;  // it has not looked yet
    snapshot.workers.push_back(worker_of(entry, state, snapshot.taken_ns));
    snapshot.totals.activity.add(snapshot.workers.back().activity);
  }
}

void read_workers(const Segment& segment, Snapshot& snapshot) {
  const auto& sequence = segment.header().retired_sequence;
  for (int look = 0; look < kMaxLooks; ++look) {
    const std::uint32_t before = sequence.load(std::memory_order_acquire);
    look_at_workers(segment, snapshot);
    std::atomic_thread_fence(std::memory_order_acquire);
    if (before % 2 == 0 && sequence.load(std::memory_order_relaxed) == before) break;
    before_next_look(look);
  }
  std::sort(snapshot.workers.begin(), snapshot.workers.end(), [](const WorkerStats& a, const WorkerStats& b) {
    return std::tie(a.generation, a.role, a.ordinal, a.pid) <
           std::tie(b.generation, b.role, b.ordinal, b.pid);
  });
  // Of a worker and its successor, the higher number counts for both.
  const WorkerStats* before = nullptr;
  for (const WorkerStats& worker : snapshot.workers) {
    const bool same = before != nullptr && std::tie(before->generation, before->role, before->ordinal) ==
                                               std::tie(worker.generation, worker.role, worker.ordinal);
    snapshot.totals.restarts += worker.restarts;
    if (same) snapshot.totals.restarts -= std::min(before->restarts, worker.restarts);
    before = &worker;
    ++(worker.state == WorkerState::kFailing    ? snapshot.totals.failing
       : worker.role == ProcessRole::kKeyholder ? snapshot.totals.keyholders
                                                : snapshot.totals.workers);
  }
}

void read_dicts(const Segment& segment, Snapshot& snapshot) {
  const auto read = [](const DictCounters::Counter& counter) {
    return counter.load(std::memory_order_relaxed);
  };
  for (const DictEntry& entry : segment.dicts()) {
    if (entry.used.load(std::memory_order_acquire) == 0) continue;
    const DictCounters& counters = entry.counters;
    DictStats dict;
    dict.name = text_of(entry.name);
    dict.entries = read(counters.entries);
    dict.bytes_used = read(counters.bytes_used);
    dict.bytes_total = entry.bytes_total;
    dict.hits = read(counters.hits);
    dict.misses = read(counters.misses);
    dict.evictions = read(counters.evictions);
    dict.expired = read(counters.expired);
    dict.repairs = read(counters.repairs);
    dict.damages = read(counters.damages);
    dict.lost = read(counters.lost);
    snapshot.dicts.push_back(std::move(dict));
  }
  std::sort(snapshot.dicts.begin(), snapshot.dicts.end(),
            [](const DictStats& a, const DictStats& b) { return a.name < b.name; });
}

std::string_view state_name(const Claim& claim, const Slot& slot) {
  if (claim.state == SlotState::kHeld) return "held";
  if (claim.state == SlotState::kArmedWrite) return "writing";
  if (slot.phase == Phase::kLingering) return "lingering";
  if (slot.phase == Phase::kHandshake) return "handshake";
  const bool between_requests = slot.phase == Phase::kHead && slot.peeked == 0 && slot.spool_fd < 0;
  return between_requests ? "idle" : "reading";
}

ConnectionStats connection_of(const Segment& segment, int fd, const Claim& claim, std::uint64_t now_ns) {
  const Slot& slot = segment.connections().at(fd);
  const SlotNotes& notes = segment.connections().notes(fd);
  ConnectionStats connection;
  connection.fd = fd;
  std::array<char, 64> text{};
  const Peer peer = notes.peer;
  connection.peer = peer.format_full(text);
  connection.state = state_name(claim, slot);
  connection.phase = slot.phase;
  const Tick now = tick_of(now_ns);
  if (slot.accepted != 0 && slot.accepted < now) {
    connection.age_s = static_cast<double>(now - slot.accepted) * kTickNs / kNsPerSecond;
  }
  connection.requests = slot.requests;
  connection.bytes_in = slot.bytes_in;
  connection.bytes_out = slot.bytes_out;  // of the responses before this one
  if (slot.phase == Phase::kParked) connection.bytes_out += notes.parked.sent;
  if (claim.state == SlotState::kHeld && claim.holder < segment.scoreboard().size()) {
    const WorkerEntry& entry = segment.scoreboard()[claim.holder];
    if (entry.role.load(std::memory_order_relaxed) == ProcessRole::kWorker)
      connection.worker = entry.ordinal.load(std::memory_order_relaxed);
    if (entry.flight.connection.load(std::memory_order_relaxed) == static_cast<std::uint32_t>(fd)) {
      connection.request = request_of(entry.flight);
    }
  } else if (claim.armed() && slot.phase == Phase::kParked) {
    connection.request = line_of(notes.parked.text, notes.parked.request_length);
  }
  return connection;
}

void read_connections(const Segment& segment, SnapshotDetail detail, Snapshot& snapshot) {
  const ConnectionTable table = segment.connections();
  const int highest = segment.highest_fd();
  ConnectionCounts& counts = snapshot.totals.connections;
  for (int fd = 0; fd <= highest; ++fd) {
    const Claim claim = table.claim(fd);
    if (!claim.is_client()) continue;
    switch (claim.state) {
      case SlotState::kFree:
      case SlotState::kListener: break;
      case SlotState::kHeld: ++counts.held; break;
      case SlotState::kArmedRead: ++counts.armed_read; break;
      case SlotState::kArmedWrite: ++counts.armed_write; break;
    }
    if (detail == SnapshotDetail::kConnections) {
      snapshot.connections.push_back(connection_of(segment, fd, claim, snapshot.taken_ns));
    }
  }
}

}  // namespace

void Activity::add(const Counters& counters, const Histogram& histogram) {
  for (const Field& field : kFields) {
    this->*field.value += (counters.*field.counter).load(std::memory_order_relaxed);
  }
  for (std::size_t i = 0; i < responses.size(); ++i) {
    responses[i] += counters.responses[i].load(std::memory_order_relaxed);
  }
  histogram.add_to(latency);
}

void Activity::add(const Activity& other) {
  for (const Field& field : kFields) this->*field.value += other.*field.value;
  for (std::size_t i = 0; i < responses.size(); ++i) responses[i] += other.responses[i];
  for (std::size_t i = 0; i < latency.size(); ++i) latency[i] += other.latency[i];
}

Activity Activity::since(const Activity& earlier) const {
  const auto gain = [](std::uint64_t now, std::uint64_t then) { return now > then ? now - then : 0; };
  Activity gained;
  for (const Field& field : kFields) {
    gained.*field.value = gain(this->*field.value, earlier.*field.value);
  }
  for (std::size_t i = 0; i < responses.size(); ++i) {
    gained.responses[i] = gain(responses[i], earlier.responses[i]);
  }
  for (std::size_t i = 0; i < latency.size(); ++i) gained.latency[i] = gain(latency[i], earlier.latency[i]);
  return gained;
}

Snapshot take_snapshot(const Segment& segment, SnapshotDetail detail) {
  Snapshot snapshot;
  snapshot.taken_ns = monotonic_ns();
  snapshot.server = server_of(segment.header(), snapshot.taken_ns);
  read_workers(segment, snapshot);
  read_dicts(segment, snapshot);
  read_connections(segment, detail, snapshot);
  return snapshot;
}

std::optional<LastReload> read_report(const CommandReport& report) {
  for (int look = 0; look < kMaxLooks; ++look) {
    LastReload reload;
    reload.sequence = report.sequence.load(std::memory_order_acquire);
    if (reload.sequence == 0) return std::nullopt;
    reload.ok = report.ok.load(std::memory_order_relaxed) != 0;
    reload.unix_time = report.unix_time.load(std::memory_order_relaxed);
    reload.message = text_of(report.message);
    std::atomic_thread_fence(std::memory_order_acquire);
    const bool stable = reload.sequence % 2 == 0;
    if (stable && report.sequence.load(std::memory_order_relaxed) == reload.sequence) return reload;
    before_next_look(look);
  }
  return std::nullopt;
}

std::string short_name(const WorkerStats& worker) {
  return (worker.role == ProcessRole::kKeyholder ? "k" : "") + std::to_string(worker.ordinal);
}

std::string describe_failure(const WorkerStats& worker) {
  return fmt::format("next try in {}, {} failure: {}", format_duration(worker.retry_s),
                     ordinal(worker.failures), worker.last_death);
}

std::string_view to_string(MasterState state) {
  switch (state) {
    case MasterState::kStarting: return "starting";
    case MasterState::kServing: return "serving";
    case MasterState::kStopping:
    case MasterState::kEnding: return "stopping";
  }
  return "?";
}

std::string_view to_string(Phase phase) {
  switch (phase) {
    case Phase::kHead: return "head";
    case Phase::kBody: return "body";
    case Phase::kHandling: return "handling";
    case Phase::kResponse: return "response";
    case Phase::kStreaming: return "streaming";
    case Phase::kParked: return "parked";
    case Phase::kLingering: return "lingering";
    case Phase::kHandshake: return "handshake";
  }
  return "?";
}

}  // namespace baton
