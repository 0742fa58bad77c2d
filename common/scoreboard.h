// The scoreboard: what each worker is and does, in shared memory, one entry per worker process.
#pragma once

#include <sys/types.h>

#include <atomic>
#include <cstdint>
#include <span>
#include <string_view>

#include "common/histogram.h"

namespace baton {

// Two generations live side by side during a reload.
constexpr std::uint32_t kMaxScoreboardEntries = 128;

enum class WorkerState : std::uint32_t {
  kEmpty,     // nobody's; the master may assign it
  kStarting,  // cloned; not yet ready to take events
  kReady,     // waits for events or handles one
  kRetiring,  // told to go: finishes the request in hand and takes no further event
};
std::string_view to_string(WorkerState state);

// What a worker is doing with the event in hand. Display and recovery read it.
enum class FlightPhase : std::uint32_t { kWaiting, kAccepting, kReading, kServing, kSending };
std::string_view to_string(FlightPhase phase);

// One writer (the worker; after its death the master), relaxed: each counter is right by itself, together
// they may be an instant apart.
struct Counters {
  using Counter = std::atomic<std::uint64_t>;
  Counter requests;  // complete heads taken up, errors included
  Counter accepted;
  Counter closed;
  Counter responses[5];  // by class: 1xx .. 5xx
  Counter bytes_in;
  Counter bytes_out;
  Counter wakeups;        // events delivered
  Counter claims_lost;    // events whose claim failed: another process had the connection
  Counter parked;         // responses that did not fit the socket at once
  Counter timeouts;       // connections ended by a deadline
  Counter accept_paused;  // times accepting stopped for want of descriptors or at max_connections
  Counter files_opened;   // misses of the open-file table

  void add(const Counters& other);
  void clear();
};

inline void bump(Counters::Counter& counter, std::uint64_t by = 1) {
  counter.store(counter.load(std::memory_order_relaxed) + by, std::memory_order_relaxed);
}

// The flight record: which connection, which phase, since when, and the request line. Written by its worker
// only.
struct alignas(64) FlightRecord {
  static constexpr std::uint32_t kNoConnection = 0xffffffff;
  static constexpr std::size_t kRequestLineBytes = 192;

  std::atomic<std::uint64_t> since_ns{0};  // start of the event in hand; of the wait when kWaiting
  std::atomic<std::uint32_t> connection{kNoConnection};
  std::atomic<FlightPhase> phase{FlightPhase::kWaiting};
  // Hazard pointer: index + 1 of the open-file entry that this worker is using, 0 for none. See
  // common/file_table.h.
  std::atomic<std::uint32_t> pinned_file{0};
  std::atomic<std::uint32_t> request_length{0};
  // Moves at each turn of the loop: a descriptor that nobody accounts for may be closed once every worker's
  // epoch moved.
  std::atomic<std::uint64_t> epoch{0};
  char request_line[kRequestLineBytes] = {};  // for people: a reader may see a torn one

  void set_request(std::string_view line);
};

struct alignas(64) WorkerEntry {
  std::atomic<WorkerState> state{
      WorkerState::kEmpty};               // kStarting by the master, kReady and kRetiring by the worker
  std::atomic<pid_t> pid{0};              // the rest of this line: the master
  std::atomic<std::uint32_t> ordinal{0};  // "worker 0" .. "worker n-1" of its generation
  std::atomic<std::uint32_t> generation{0};
  std::atomic<std::uint32_t> restarts{0};  // of this ordinal in this generation
  std::atomic<std::uint64_t> started_ns{0};
  FlightRecord flight;
  alignas(64) Counters counters{};
  alignas(64) Histogram latency;  // request head complete to response handed over
};

using Scoreboard = std::span<WorkerEntry>;

}  // namespace baton
