// The shared memory segment of one running instance: everything that outlives a worker.
//
//   offset 0   SegmentHeader        identity, state of the master, limits in force, last reload,
//                                   totals of the dead workers
//              WorkerEntry[]        the scoreboard
//              Slot[]               the connection table, one per descriptor number
//              SlotNotes[]          what people want to know of each connection
//              FileTable            open files and the bytes of small ones
//              LogBuffer[]          access log lines not yet written, one buffer per scoreboard entry
//              OutboxRecord[]       the response that is being sent, one per scoreboard entry
//              SpoolLedger[]        what each process took of the spool's budget: one per scoreboard entry,
//                                   and the master's
//              charges[]            what each file costs of that budget, one per descriptor number
//              PermitSet[]          which workers are in a handler that has a max_concurrency
//              ModulePlaces         which workers are in slow handlers, and which connections wait for them
//              AddressCounts        connections of each client address
//              DictEntry[]          figures of the shared dictionaries, which have memory of their own
//
// The master creates the segment before the first clone, and every worker inherits it at the same address.
// batonctl attaches read-only.
//
// Invariants
//
// (1) The layout is fixed: nothing is allocated after the start, and there are no pointers, only indices
//     and descriptor numbers.
// (2) A worker that has gone wrong can write anything anywhere in it, at any time. So the master and
//     batonctl trust none of it.
// (3) They know the number of elements of every part from the mapping, not from the segment.
// (4) They read an index or a length once, and cut it to what exists.
// (5) The master does not read back from here what it decides by. It watches the members that it alone
//     writes (master/header_guard.h).
#pragma once

#include <algorithm>
#include <atomic>
#include <boost/interprocess/mapped_region.hpp>
#include <boost/interprocess/shared_memory_object.hpp>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/base/log_lines.h"
#include "common/base/version.h"
#include "common/shared/address_counts.h"
#include "common/shared/connection_table.h"
#include "common/shared/dict_board.h"
#include "common/shared/file_table.h"
#include "common/shared/log_buffer.h"
#include "common/shared/module_places.h"
#include "common/shared/outbox_record.h"
#include "common/shared/permits.h"
#include "common/shared/scoreboard.h"
#include "common/shared/spool_budget.h"

namespace baton {

constexpr std::size_t kMaxListeners = 64;

enum class MasterState : std::uint32_t {
  kStarting,  // the workers are not ready yet
  kServing,
  kStopping,  // no new clients; every connection ends after its response
  kEnding,    // workers take no further event
};

// The outcome of the last reload or upgrade. The master makes `sequence` odd, writes, and then makes it
// even.
struct CommandReport {
  std::atomic<std::uint32_t> sequence{0};  // even: stable; 0: no command yet
  std::atomic<std::uint32_t> ok{0};
  std::atomic<std::int64_t> unix_time{0};
  char message[4096] = {};  // NUL-terminated; why it failed, or what it did
};

struct SegmentHeader {
  char magic[8] = {};  // "batonseg"; frozen, like all members up to `start_unix`
  std::uint32_t layout_version = 0;
  // `magic` to `master_start` stand at the same place in every layout.
  std::atomic<pid_t> master_pid{0};
  // When that process started (/proc/PID/stat), because the kernel reuses pids.
  std::atomic<std::uint64_t> master_start{0};
  std::uint32_t slot_count = 0;
  std::uint64_t total_bytes = 0;
  std::uint32_t slot_bytes = 0;
  std::uint32_t worker_bytes = 0;
  std::uint32_t worker_count = 0;
  std::uint32_t file_count = 0;
  std::uint64_t fingerprint = 0;  // of all sizes and places: see layout_fingerprint()
  // most_connections() at the start: an upper bound for every later configuration
  std::uint32_t max_capacity = 0;
  char version[32] = {};  // of the program that serves; an upgrade writes its own
  char config_file[1024] = {};
  std::int64_t start_unix = 0;  // seconds
  std::uint64_t start_ns = 0;   // CLOCK_MONOTONIC

  // Written by the master.
  char name[64] = {};
  std::atomic<MasterState> state{MasterState::kStarting};
  // Makes a reload take effect: a worker of an older generation takes no further event.
  std::atomic<std::uint32_t> generation{0};
  std::atomic<std::uint32_t> max_connections{0};
  std::atomic<std::uint32_t> module_workers{0};
  SpoolLimits spool;
  std::atomic<std::uint32_t> listener_count{0};
  std::atomic<std::int32_t> listener_fds[kMaxListeners] = {};
  char listeners[kMaxListeners][112] = {};  // addresses as text, port 0 replaced by the real one
  std::atomic<std::uint32_t> listener_reserves[kMaxListeners] = {};  // ListenConfig::reserve
  std::atomic<std::uint32_t> listener_changes{0};  // how often the listeners have changed; for keyholders
  // 1: ListenConfig::redirect_to_https
  std::atomic<std::uint8_t> listener_redirects[kMaxListeners] = {};
  // What the master ends with (0, 1, 124, 128 + n), once it is over; -1 before.
  std::atomic<std::int32_t> exit_status{-1};
  CommandReport reload;
  CommandReport upgrade;
  // 1: an upgrade is about to execute the new program. No worker may change the descriptor table or take a
  // further event. See common/shared/descriptor_motion.h.
  std::atomic<std::uint32_t> frozen{0};
  // Workers that still run from before an upgrade. They have a descriptor table of their own, which refers
  // to every socket. While there is such a worker, close(2) alone does not end a connection.
  std::atomic<std::uint32_t> orphans{0};
  // How often the master's process has executed a new program. A worker that began under a smaller number
  // has another descriptor table.
  std::atomic<std::uint32_t> executions{0};

  // The counters of dead workers, so that totals never go back. `retired_sequence` is odd while the master
  // moves an entry's counters here.
  std::atomic<std::uint32_t> retired_sequence{0};
  Counters retired{};
  Histogram retired_latency;

  // Written by every process.
  LogLosses error_log;
  LogLosses access_log;
  // Slots that are not free; the master's sweep corrects it.
  alignas(64) std::atomic<std::uint32_t> connections{0};
  std::atomic<std::uint32_t> accept_paused{0};  // 1: re-arm the listeners when there is room again
  std::atomic<std::int32_t> highest_fd{0};      // no slot above it was ever used
};

struct SegmentSizes {
  std::uint32_t slots = 0;  // as many as descriptors may be open
  std::uint32_t workers = kMaxScoreboardEntries;
};

class Segment {
 public:
  // The name of the shared memory object of a configuration file: an instance is found by the file that it
  // was started with.
  static std::string name_for(const std::string& config_file);

  // Frees the name if the server that had it has ended. Throws std::runtime_error if that server, of
  // whatever version, still runs, or if the object belongs to neither this user nor root nor one of
  // `others`: its content may then be forged. create() calls this too. A master that started as root calls
  // it before it gives up root, because its successor could not remove the object.
  static void remove_leftover(const std::string& name, const std::vector<uid_t>& others = {});

  // Creates the segment with mode 0600 and all of its memory set aside, replacing one whose master is dead.
  // Throws std::runtime_error with a message for people when another master runs with this name or memory
  // is short; it then leaves nothing behind.
  static Segment create(const std::string& name, const SegmentSizes& sizes);

  // Maps an existing segment read-only. Throws std::runtime_error when there is no such instance,
  // permission is missing, the layout is another, or the object belongs to neither this user nor root nor
  // one of `others` (common/shared/shm_owner.h).
  static Segment attach(const std::string& name, const std::vector<uid_t>& others = {});

  // Maps the segment of this very process for writing, after the process has executed another program.
  // `sizes` come from the old program's own memory. The members that attach() checks are written anew,
  // because they deserve no more trust than the rest. Throws std::runtime_error.
  static Segment take_over(const std::string& name, const SegmentSizes& sizes);
  [[nodiscard]] SegmentSizes sizes() const {
    return {static_cast<std::uint32_t>(connections_.size()), static_cast<std::uint32_t>(scoreboard_.size())};
  }

  Segment(Segment&&) noexcept = default;
  Segment& operator=(Segment&&) noexcept = default;
  ~Segment();

  [[nodiscard]] SegmentHeader& header() const { return *header_; }
  [[nodiscard]] Scoreboard scoreboard() const { return scoreboard_; }
  [[nodiscard]] ConnectionTable connections() const { return connections_; }
  [[nodiscard]] FileTable files() const { return files_; }
  [[nodiscard]] std::span<LogBuffer> log_buffers() const { return log_buffers_; }
  [[nodiscard]] std::span<OutboxRecord> outboxes() const { return outboxes_; }
  // For the process with this scoreboard entry. The master's own index is the one after the last entry.
  [[nodiscard]] SpoolBudget spool_budget(std::size_t index) const {
    return {header_->spool, spool_ledgers_, index, spool_charges_};
  }
  [[nodiscard]] SpoolBudget spool_budget() const { return spool_budget(scoreboard_.size()); }
  [[nodiscard]] std::span<PermitSet> permits() const { return permits_; }
  [[nodiscard]] ModulePlaces& places() const { return *places_; }
  [[nodiscard]] AddressCounts& addresses() const { return *addresses_; }
  [[nodiscard]] DictBoard dicts() const { return dicts_; }
  // The highest descriptor that a connection has ever had, or -1. Never beyond the table.
  [[nodiscard]] int highest_fd() const;
  // Calls `action(int fd)` for each listener in the header whose number lies within the table.
  template <typename Action>
  void for_each_listener(Action action) const {
    const std::size_t count =
        std::min<std::size_t>(header_->listener_count.load(std::memory_order_acquire), kMaxListeners);
    for (std::size_t i = 0; i < count; ++i) {
      const int fd = header_->listener_fds[i].load(std::memory_order_relaxed);
      if (connections_.contains(fd)) action(fd);
    }
  }
  [[nodiscard]] std::span<std::byte> memory() const {
    return {static_cast<std::byte*>(region_.get_address()), region_.get_size()};
  }
  [[nodiscard]] const std::string& name() const { return name_; }
  [[nodiscard]] int fd() const { return object_.get_mapping_handle().handle; }

  // Makes this process the master; create() and take_over() call it. From then on it holds a lock on the
  // object for as long as any process has its descriptor table (fcntl(2), F_SETLK: the kernel says who took
  // the lock). Meanwhile no descriptor of the object may be closed in that table, because that would end
  // the lock.
  void become_master();
  // Whether a process that wants to signal the master may believe the header's pid. The proof is not what
  // stands in the header, which others could have written, but that the process holds the lock and runs as
  // the object's owner. So nobody can have a process signalled that they could not signal themselves.
  [[nodiscard]] bool master_proven() const;

  // Removes the name. The master calls it when it ends; otherwise a later create() replaces the object.
  void unlink();

 private:
  Segment(std::string name, boost::interprocess::shared_memory_object object,
          boost::interprocess::mode_t mode);
  // `known`: the sizes; without it, those in the header, checked.
  static Segment open_existing(const std::string& name, boost::interprocess::mode_t mode,
                               const std::vector<uid_t>& others,
                               const std::optional<SegmentSizes>& known = std::nullopt);
  void describe(const SegmentSizes& sizes);
  [[nodiscard]] SegmentSizes check(std::uint64_t bytes) const;
  void locate(const SegmentSizes& sizes);

  std::string name_;
  boost::interprocess::shared_memory_object object_;
  boost::interprocess::mapped_region region_;
  SegmentHeader* header_ = nullptr;
  Scoreboard scoreboard_;
  ConnectionTable connections_;
  FileTable files_;
  std::span<LogBuffer> log_buffers_;
  std::span<OutboxRecord> outboxes_;
  std::span<SpoolLedger> spool_ledgers_;
  std::span<std::uint32_t> spool_charges_;
  std::span<PermitSet> permits_;
  ModulePlaces* places_ = nullptr;
  AddressCounts* addresses_ = nullptr;
  DictBoard dicts_;
};

// One number for the sizes and places of all parts. Two builds with the same number and the same
// kLayoutVersion can work on one segment.
std::uint64_t layout_fingerprint();

// Whether the master that wrote `header` still runs.
bool master_alive(const SegmentHeader& header);

// When `pid` was started, in clock ticks since boot. 0: there is no such process, or it has ended (a
// zombie).
std::uint64_t process_start(pid_t pid);

}  // namespace baton
