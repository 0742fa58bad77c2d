// The scoreboard: what each worker is and does, in shared memory, one entry per worker process.
#pragma once

#include <sys/types.h>

#include <atomic>
#include <cstdint>
#include <span>
#include <string_view>

#include "common/shared/histogram.h"

namespace baton {

// During a reload two generations live side by side, each with up to kMaxWorkersPerGeneration workers and
// kMaxKeyholders keyholders. The other entries are for
// replaced workers that still have a request in hand, and for the worker that starts in order to replace
// the next.
constexpr std::uint32_t kMaxScoreboardEntries = 176;

// What a process is for.
enum class ProcessRole : std::uint32_t {
  kWorker,
  kKeyholder,  // does TLS handshakes, and nothing else
};
std::string_view to_string(ProcessRole role);

enum class WorkerState : std::uint32_t {
  kEmpty,     // free; the master may assign it
  kStarting,  // cloned; not yet ready to take events
  kReady,     // waits for an event or handles one
  kRetiring,  // told to go: finishes the request in hand and takes no further event
  kFailing,   // no process: the last ones died before they were ready; the next starts at `retry_ns`
};
std::string_view to_string(WorkerState state);

// What a worker does with the event in hand. Read for display and by recovery.
enum class FlightPhase : std::uint32_t { kWaiting, kAccepting, kReading, kServing, kSending, kClosing };
std::string_view to_string(FlightPhase phase);

// Written only by the worker, and after its death by the master; relaxed. Each counter is right by itself,
// but two of them may be an instant apart.
struct Counters {
  using Counter = std::atomic<std::uint64_t>;
  Counter requests;  // complete request heads, including those answered with an error
  Counter accepted;
  Counter closed;
  Counter responses[5];  // by class: 1xx .. 5xx
  Counter bytes_in;
  Counter bytes_out;
  Counter wakeups;              // events delivered
  Counter claims_lost;          // events whose claim failed: another process had the connection
  Counter parked;               // responses that did not fit the socket at once
  Counter timeouts;             // connections ended by a deadline
  Counter accept_paused;        // times accepting stopped: no descriptors left, or max_connections reached
  Counter files_opened;         // misses of the open-file table
  Counter evicted;              // connections closed to make room at max_connections
  Counter refused;              // connections beyond what their address may have
  Counter places_refused;       // requests for a module that waited in vain for a worker
  Counter spool_refused;        // bodies and responses beyond the spool's budget
  Counter handshakes;           // TLS handshakes that were completed
  Counter handshakes_resumed;   // of these, with a session of before
  Counter handshakes_replayed;  // taken up again after the death of a keyholder
  Counter handshakes_failed;

  void add(const Counters& other);
  void clear();
};

inline void bump(Counters::Counter& counter, std::uint64_t by = 1) {
  counter.store(counter.load(std::memory_order_relaxed) + by, std::memory_order_relaxed);
}

// The flight record: which connection, which phase, since when, and the request line. Only its worker
// writes it.
struct alignas(64) FlightRecord {
  static constexpr std::uint32_t kNoConnection = 0xffffffff;
  static constexpr std::uint32_t kNoRoute = 0xffffffff;
  static constexpr std::uint32_t kNoHandler = 0xffffffff;
  static constexpr std::size_t kRequestLineBytes = 192;

  std::atomic<std::uint64_t> since_ns{0};  // start of the event in hand; kWaiting: start of the wait
  std::atomic<std::uint32_t> connection{kNoConnection};
  std::atomic<FlightPhase> phase{FlightPhase::kWaiting};
  // Hazard pointer: index + 1 of the open-file entry that this worker uses; 0: none. See
  // common/shared/file_table.h.
  std::atomic<std::uint32_t> pinned_file{0};
  // A file that only this worker uses, because the open-file table had no room for it; -1: none.
  std::atomic<std::int32_t> private_file{-1};
  std::atomic<std::uint32_t> request_length{0};
  std::atomic<std::uint32_t> route{kNoRoute};  // kServing, kSending: Route::number of the request in hand
  // kServing: Endpoint::number of the handler that has begun.
  std::atomic<std::uint32_t> handler{kNoHandler};
  std::atomic<std::uint32_t> limit_ms{0};  // how long the request in hand may take; 0: not limited
  std::atomic<std::uint32_t> retries{0};   // how often a death may make the request in hand begin again
  std::atomic<std::uint64_t> turns{0};     // of the loop, with or without an event
  // Odd while this worker opens, hands on or closes descriptors that no table names at that moment. See
  // common/shared/descriptor_motion.h.
  std::atomic<std::uint32_t> sockets_in_motion{0};
  std::atomic<std::uint32_t> files_in_motion{0};
  char request_line[kRequestLineBytes] = {};  // for people: a reader may see a torn one

  void set_request(std::string_view line);
};

// What a worker that dies of a fatal signal can still report. Its signal handler writes it and the master
// reads it. An address means the same in both processes, because the worker is a clone.
struct CrashRecord {
  static constexpr std::size_t kMaxFrames = 48;
  static constexpr std::size_t kMaxObjects = 6;
  static constexpr std::size_t kObjectNameBytes = 60;  // a longer name has no NUL

  std::atomic<std::uint32_t> frame_count{0};  // stored last; 0: there is no report
  std::int32_t signal = 0;
  std::int32_t code = 0;  // si_code
  // The address of a fault (si_addr). For a signal that was sent (code <= 0): the sender's pid.
  std::uint64_t address = 0;
  std::uint64_t frames[kMaxFrames] = {};

  // Shared objects that frames lie in. The master does not know those that the worker loaded itself.
  struct Object {
    std::uint64_t begin = 0;  // of its mapping
    std::uint64_t end = 0;
    std::uint64_t bias = 0;   // add it to an address in the object's file
    std::int32_t image = -1;  // of a module: the descriptor of its image; otherwise -1
    char name[kObjectNameBytes] = {};
  };
  std::atomic<std::uint32_t> object_count{0};
  Object objects[kMaxObjects] = {};
};

struct alignas(64) WorkerEntry {
  static constexpr std::size_t kLastDeathBytes = 512;
  static constexpr std::size_t kComplaintBytes = 1024;

  // The worker stores kReady and kRetiring, the master all other states.
  std::atomic<WorkerState> state{WorkerState::kEmpty};
  // Written by the master, like the members from here to `retire`.
  std::atomic<pid_t> pid{0};
  std::atomic<ProcessRole> role{ProcessRole::kWorker};
  std::atomic<std::uint32_t> ordinal{0};  // "worker 0" .. "worker n-1" of its generation; keyholders likewise
  std::atomic<std::uint32_t> generation{0};
  std::atomic<std::uint32_t> restarts{0};  // of this ordinal in this generation
  std::atomic<std::uint64_t> started_ns{0};
  // 1: end after the request in hand. The worker looks before each event.
  std::atomic<std::uint32_t> retire{0};
  // Written by the worker before it is ready, where a worker_memory is set: the least that it holds, in
  // bytes (common/base/private_memory.h).
  std::atomic<std::uint64_t> base_memory{0};
  // How many workers in this place have just died, one after another, before they were ready.
  std::atomic<std::uint32_t> failures{0};
  std::atomic<std::uint64_t> retry_ns{0};  // kFailing: when the next worker starts
  char last_death[kLastDeathBytes] = {};   // kFailing: how the last worker ended, NUL-terminated
  // Written by the worker, NUL-terminated: why it cannot start, or, before it is ready, the step that it is
  // at.
  char complaint[kComplaintBytes] = {};
  CrashRecord crash;
  FlightRecord flight;
  // Whether a worker runs under this entry.
  [[nodiscard]] bool has_process() const {
    const WorkerState now = state.load(std::memory_order_acquire);
    return now != WorkerState::kEmpty && now != WorkerState::kFailing;
  }
  alignas(64) Counters counters{};
  alignas(64) Histogram latency;  // from the complete request head to the handed-over response
};

using Scoreboard = std::span<WorkerEntry>;

// Empties the entries of workers that fail to start, which have no process. The master calls it when no
// generation tries them again.
void clear_failing(Scoreboard scoreboard);

}  // namespace baton
