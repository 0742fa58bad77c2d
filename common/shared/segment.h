// The shared memory segment of one running instance: everything that outlives a worker.
//
//   offset 0   SegmentHeader        identity, state of the master, limits in force, last reload, totals of
//   the dead
//              WorkerEntry[]        the scoreboard
//              Slot[]               the connection table, one per descriptor number
//              SlotNotes[]          what people want to know of each connection
//              FileTable            open files and the bytes of small ones
//              LogBuffer[]          access log lines not yet written, one buffer per scoreboard entry
//              OutboxRecord[]       the response that is being sent, one per scoreboard entry
//              SpoolLedger[]        taken of the spool's budget, one per scoreboard entry and the master's
//              charges[]            of it by each file, one per descriptor number
//              PermitSet[]          which workers are in a handler that only some may be in at a time
//              ModulePlaces         which are in one that takes long, and who waits for one of them
//              AddressCounts        connections of each client address
//              DictEntry[]          what is known of the shared dictionaries, which have memory of their own
//
// Created by the master before the first clone and inherited at one address by every worker; batonctl
// attaches read-only. Fixed layout: no allocation after start, no pointers, only indices and descriptor
// numbers.
//
// A worker that has gone wrong can write anything anywhere in it, at any time. So the master and batonctl
// believe none of it. How many there are of everything they know of their own, from the mapping. An index or
// a length is read once, and cut to what there is. What the master decides by, it does not read back from
// here; and what it alone writes it looks after (master/header_guard.h).
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
  kStopping,  // no new clients; each response is its connection's last
  kEnding,    // workers take no event any more
};

// The outcome of the last reload or upgrade. The master makes `sequence` odd, writes, and makes it even
// again.
struct CommandReport {
  std::atomic<std::uint32_t> sequence{0};  // even: stable; 0: there has been none
  std::atomic<std::uint32_t> ok{0};
  std::atomic<std::int64_t> unix_time{0};
  char message[4096] = {};  // NUL-terminated; why it failed, or what it did
};

struct SegmentHeader {
  char magic[8] = {};  // "batonseg"; frozen, like all up to `start_unix`
  std::uint32_t layout_version = 0;
  std::atomic<pid_t> master_pid{0};            // these four stand here in every layout
  std::atomic<std::uint64_t> master_start{0};  // start time of that pid (/proc/PID/stat): pids are used again
  std::uint32_t slot_count = 0;
  std::uint64_t total_bytes = 0;
  std::uint32_t slot_bytes = 0;
  std::uint32_t worker_bytes = 0;
  std::uint32_t worker_count = 0;
  std::uint32_t file_count = 0;
  std::uint64_t fingerprint = 0;   // of all sizes and places: see layout_fingerprint()
  std::uint32_t max_capacity = 0;  // most_connections() at the start: no later configuration may go above it
  char version[32] = {};           // of the program that serves: an upgrade writes its own
  char config_file[1024] = {};
  std::int64_t start_unix = 0;  // seconds
  std::uint64_t start_ns = 0;   // CLOCK_MONOTONIC

  // Written by the master.
  char name[64] = {};
  std::atomic<MasterState> state{MasterState::kStarting};
  // The switch of a reload: a worker of an older generation takes no event any more.
  std::atomic<std::uint32_t> generation{0};
  std::atomic<std::uint32_t> max_connections{0};
  std::atomic<std::uint32_t> module_workers{0};
  SpoolLimits spool;
  std::atomic<std::uint32_t> listener_count{0};
  std::atomic<std::int32_t> listener_fds[kMaxListeners] = {};
  char listeners[kMaxListeners][112] = {};  // addresses as text, port 0 replaced by the real one
  std::atomic<std::uint32_t> listener_reserves[kMaxListeners] = {};  // ListenConfig::reserve
  std::atomic<std::int32_t> exit_status{
      -1};  // when all is over: what the master ends with (0, 1, 124, 128 + n)
  CommandReport reload;
  CommandReport upgrade;
  // 1: an upgrade is about to execute. No worker may change the descriptor table any more, and none takes a
  // further event. See common/shared/descriptor_motion.h.
  std::atomic<std::uint32_t> frozen{0};
  // Workers that still run from before an upgrade. They have a descriptor table of their own, and with it
  // references to every socket: close(2) alone does not end a connection while there is one.
  std::atomic<std::uint32_t> orphans{0};
  // How often the master's process has executed a new program: a worker from before has another table.
  std::atomic<std::uint32_t> executions{0};

  // The dead workers' counters, so that totals never go back. Odd `retired_sequence`: the master is moving an
  // entry.
  std::atomic<std::uint32_t> retired_sequence{0};
  Counters retired{};
  Histogram retired_latency;

  // Written by every process.
  LogLosses error_log;
  LogLosses access_log;
  alignas(64) std::atomic<std::uint32_t> connections{
      0};                                       // slots that are not free; the master's sweep corrects it
  std::atomic<std::uint32_t> accept_paused{0};  // 1: listeners have to be re-armed when there is room again
  std::atomic<std::int32_t> highest_fd{0};      // no slot above it was ever used
};

struct SegmentSizes {
  std::uint32_t slots = 0;  // as many as descriptors may be open
  std::uint32_t workers = kMaxScoreboardEntries;
};

class Segment {
 public:
  // The shared memory object's name for a configuration file: an instance is found by the file it was started
  // with.
  static std::string name_for(const std::string& config_file);

  // Frees the name, unless the server that has it is running, of whatever version: throws std::runtime_error
  // then. create() does this too. For a master that started as root, which may leave behind what its
  // successor, not root any more, could not remove. Nor is another's object taken for a leftover, unless it
  // is root's or of one of `others`: what is in it may be forged.
  static void remove_leftover(const std::string& name, const std::vector<uid_t>& others = {});

  // Creates the segment, mode 0600, all of its memory set aside at once, replacing one whose master is dead.
  // Throws std::runtime_error with a message for people when another master runs with it or memory is short;
  // nothing is left behind then.
  static Segment create(const std::string& name, const SegmentSizes& sizes);

  // Maps an existing segment read-only. Throws std::runtime_error: no such instance, no permission, another
  // layout, or another's object than this user's, root's or one of `others`' (common/shared/shm_owner.h).
  static Segment attach(const std::string& name, const std::vector<uid_t>& others = {});

  // Maps the segment of this very process for writing, after it has executed another program, whose own
  // memory said what `sizes` it has. What attach() looks at is written anew, believed as little as the rest.
  // Throws std::runtime_error.
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
  // For the process with this scoreboard entry; the master's own is the one behind the last.
  [[nodiscard]] SpoolBudget spool_budget(std::size_t index) const {
    return {header_->spool, spool_ledgers_, index, spool_charges_};
  }
  [[nodiscard]] SpoolBudget spool_budget() const { return spool_budget(scoreboard_.size()); }
  [[nodiscard]] std::span<PermitSet> permits() const { return permits_; }
  [[nodiscard]] ModulePlaces& places() const { return *places_; }
  [[nodiscard]] AddressCounts& addresses() const { return *addresses_; }
  [[nodiscard]] DictBoard dicts() const { return dicts_; }
  // The highest descriptor that a connection has ever had, or -1: never beyond the table.
  [[nodiscard]] int highest_fd() const;
  // The listeners that the header names, as far as there can be such. `action(int fd)`.
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

  // Makes this process the master: create() and take_over() do. It holds a lock on the object from then on,
  // as long as any process has its descriptor table (fcntl(2), F_SETLK: the kernel says by whom it was
  // taken). No descriptor of the object may be closed in that table meanwhile, which would end it.
  void become_master();
  // Whether the process that the header names is believed to be the master, by whoever would signal it: not
  // by what others could have written there, but because it holds that lock, and runs as the object's owner.
  // So nobody can have a process signalled that he could not signal himself.
  [[nodiscard]] bool master_proven() const;

  // Removes the name. By the master when it ends; a later create() would replace it anyway.
  void unlink();

 private:
  Segment(std::string name, boost::interprocess::shared_memory_object object,
          boost::interprocess::mode_t mode);
  // Of known sizes, or of those that its header says.
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

// One number for the sizes and places of all that the segment holds: two builds with the same one and the
// same kLayoutVersion can work on one segment.
std::uint64_t layout_fingerprint();

// Whether the master that wrote `header` still runs.
bool master_alive(const SegmentHeader& header);

// When `pid` was started, in clock ticks since boot; 0 when there is no such process or it has ended (a
// zombie).
std::uint64_t process_start(pid_t pid);

}  // namespace baton
