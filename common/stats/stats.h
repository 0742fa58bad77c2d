// Statistics of a running instance: a copy of what people want to know, taken from its shared segment.
// batonctl and the status page show the same numbers, because both use a Snapshot.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/shared/histogram.h"
#include "common/shared/segment.h"

namespace baton {

// What one worker, or all workers since the start, have done. Counters explains each number.
struct Activity {
  std::uint64_t requests = 0;
  std::uint64_t accepted = 0;
  std::uint64_t closed = 0;
  std::array<std::uint64_t, 5> responses{};  // by class: 1xx .. 5xx
  std::uint64_t bytes_in = 0;
  std::uint64_t bytes_out = 0;
  std::uint64_t wakeups = 0;
  std::uint64_t claims_lost = 0;
  std::uint64_t parked = 0;
  std::uint64_t timeouts = 0;
  std::uint64_t accept_paused = 0;
  std::uint64_t files_opened = 0;
  std::uint64_t evicted = 0;
  std::uint64_t refused = 0;
  std::uint64_t places_refused = 0;
  std::uint64_t spool_refused = 0;
  std::uint64_t handshakes = 0;
  std::uint64_t handshakes_resumed = 0;
  std::uint64_t handshakes_replayed = 0;
  std::uint64_t handshakes_failed = 0;
  Histogram::Counts latency{};

  void add(const Counters& counters, const Histogram& histogram);
  void add(const Activity& other);
  // What was done after `earlier`. A number that went down counts as 0: another process has the entry now.
  [[nodiscard]] Activity since(const Activity& earlier) const;
  [[nodiscard]] std::uint64_t latency_ns(double quantile) const {
    return Histogram::quantile(latency, quantile);
  }
};

struct LastReload {
  std::uint32_t sequence = 0;
  bool ok = false;
  std::int64_t unix_time = 0;
  std::string message;
};

struct ServerStats {
  std::string name;
  std::string version;
  pid_t master_pid = 0;
  MasterState state = MasterState::kStarting;
  std::uint32_t generation = 0;
  double uptime_s = 0;
  std::string config_file;
  std::vector<std::string> listen;
  std::uint32_t max_connections = 0;
  std::optional<LastReload> last_reload;
};

struct WorkerStats {
  ProcessRole role = ProcessRole::kWorker;
  std::uint32_t ordinal = 0;
  pid_t pid = 0;
  WorkerState state = WorkerState::kEmpty;
  std::uint32_t generation = 0;
  std::uint32_t restarts = 0;
  double uptime_s = 0;
  FlightPhase phase = FlightPhase::kWaiting;
  std::optional<double> busy_s;        // how long it has had the event in hand; nothing while it waits
  std::optional<int> connection;       // the descriptor of the connection that it holds
  std::optional<std::string> request;  // its request line as sent, any bytes; while serving or sending
  // Only for WorkerState::kFailing: there is no process then, `pid` is 0, and only these members mean
  // anything.
  std::uint32_t failures = 0;  // deaths in a row before a worker was ready
  double retry_s = 0;          // seconds until the next worker starts
  std::string last_death;      // how the last worker ended
  Activity activity;
};

struct ConnectionCounts {
  std::uint32_t held = 0;
  std::uint32_t armed_read = 0;
  std::uint32_t armed_write = 0;

  [[nodiscard]] std::uint32_t total() const { return held + armed_read + armed_write; }
};

struct ConnectionStats {
  int fd = -1;
  std::string peer;
  std::string_view state;               // "held", "idle", "reading", "lingering", "writing"
  Phase phase = Phase::kHead;           // the slot's phase
  std::optional<std::uint32_t> worker;  // the holder's ordinal, if it is a worker
  double age_s = 0;
  std::uint32_t requests = 0;
  std::uint64_t bytes_in = 0;
  std::uint64_t bytes_out = 0;
  std::optional<std::string> request;  // the request line in hand or parked, any bytes
};

// The workers that slow handlers may occupy. A handler counts as slow until it is known to be quick.
struct PlaceStats {
  std::uint32_t most = 0;
  std::uint32_t held = 0;
  std::size_t waiting = 0;  // requests that wait for such a worker
};

struct Totals {
  Activity activity;  // of all workers, dead and living
  ConnectionCounts connections;
  std::uint64_t restarts = 0;
  std::uint32_t workers = 0;     // processes, so without failing ones
  std::uint32_t keyholders = 0;  // likewise
  std::uint32_t failing = 0;
  PlaceStats places;
  SpoolBudget::Use spool;                  // what is spooled now
  std::uint64_t access_lines_dropped = 0;  // lines that could not be written
  std::uint64_t error_lines_dropped = 0;
};

// A shared dictionary. DictCounters explains each number.
struct DictStats {
  std::string name;
  std::uint64_t entries = 0;
  std::uint64_t bytes_used = 0;
  std::uint64_t bytes_total = 0;
  std::uint64_t hits = 0;
  std::uint64_t misses = 0;
  std::uint64_t evictions = 0;
  std::uint64_t expired = 0;
  std::uint64_t repairs = 0;
  std::uint64_t damages = 0;
  std::uint64_t lost = 0;
};

struct Snapshot {
  std::uint64_t taken_ns = 0;
  ServerStats server;
  Totals totals;
  std::vector<WorkerStats> workers;          // and keyholders; by generation, role and ordinal
  std::vector<DictStats> dicts;              // by name
  std::vector<ConnectionStats> connections;  // by descriptor; empty unless asked for
};

enum class SnapshotDetail : std::uint8_t { kSummary, kConnections };

// Copies the numbers while the server goes on. Totals never go back from one snapshot to the next: a dead
// worker's counters are seen either in its entry or among the retired ones, never in both or in neither.
// The exception is a master that was killed while it moved them. All other numbers may be an instant apart.
// Costs one look at every slot up to the highest one in use.
Snapshot take_snapshot(const Segment& segment, SnapshotDetail detail = SnapshotDetail::kConnections);

// The outcome of the last reload. Nothing if there has been none, or while the master writes it.
std::optional<LastReload> read_report(const CommandReport& report);

// What a table shows of it: "0" for worker 0, "k0" for keyholder 0.
std::string short_name(const WorkerStats& worker);

// For a failing worker: "next try in 1.6s, 3rd failure: exited with status 78".
std::string describe_failure(const WorkerStats& worker);

std::string_view to_string(MasterState state);
std::string_view to_string(Phase phase);

}  // namespace baton
