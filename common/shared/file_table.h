// The open-file table: path -> open descriptor with size, times and validators, shared by all workers.
//
// One open(2) serves every worker, because the workers share one descriptor table. The table also keeps the
// bytes of small files, so a hit is one send(2).
//
//             begin_fill()             publish()            retire()
//    EMPTY(g) ------------> FILLING(w) ----------> READY(g+1) --------> STALE(g+1)
//        ^                      |                                           |
//        |  abandon(), or its   |                                           | collect(), no pin left
//        |  worker died         |                                           v
//        +----------------------+-------------- abandon() ------------- FILLING(w)
//
// Thread and process safety
//
// (1) A READY entry is frozen, except `checked` and `used`.
// (2) To use an entry, a worker pins it: it stores the entry's number in its flight record, then checks
//     that the entry is still the same READY one. This is a hazard pointer; both steps are sequentially
//     consistent.
// (3) A descriptor is closed only if its entry is STALE and no flight record names it. The master does so
//     now and then, and a worker does so when it finds no descriptor for a client.
// (4) The master clears a dead worker's pin, so the pin cannot keep a file open for ever.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <span>
#include <string_view>

#include "common/base/clock.h"
#include "common/shared/connection_table.h"
#include "common/shared/scoreboard.h"

namespace baton {

enum class FileKind : std::uint8_t {
  kRegular,
  // No descriptor is kept: reading a directory moves its offset, which would disturb the other processes.
  kDirectory,
  kMissing,  // looked for and not there: spares the search for absent precompressed siblings
  kListing,  // a page that lists a directory: see FileEntry::page_bytes
};

struct alignas(64) FileEntry {
  static constexpr std::size_t kPathBytes = 256;
  static constexpr std::size_t kEtagBytes = 48;
  static constexpr std::size_t kDateBytes = 29;

  std::atomic<std::uint64_t> word{0};  // {generation:32, holder:16, state:8, 0:8}; orders everything below
  std::uint64_t hash = 0;
  std::uint64_t root_key = 0;    // the root that the path is below
  std::atomic<Tick> checked{0};  // when a worker last asked the file system; any worker writes it
  std::atomic<Tick> used{0};     // roughly when it was last served; any worker writes it
  std::int32_t fd = -1;
  FileKind kind = FileKind::kMissing;
  std::uint8_t etag_length = 0;
  std::uint16_t path_length = 0;
  std::uint32_t block_bytes = 0;  // how many bytes the entry's block holds: the whole file, or 0
  std::uint64_t size = 0;
  std::int64_t modified = 0;  // seconds
  std::uint32_t modified_ns = 0;
  std::uint32_t mode = 0;
  std::uint64_t device = 0;
  std::uint64_t inode = 0;
  std::int64_t changed = 0;  // ctime in nanoseconds
  // kListing: the size of the page, in bytes; `fd` is then a memfd that holds it. The members above
  // describe the directory. `path` is the directory's path, then "//", then what distinguishes this page
  // from others of the directory. No other path contains "//".
  std::uint32_t page_bytes = 0;
  Tick expires = 0;  // kListing: when it is made anew even if the directory has not changed
  char etag[kEtagBytes] = {};
  char last_modified[kDateBytes] = {};
  char path[kPathBytes] = {};  // relative to the root

  [[nodiscard]] std::string_view path_view() const { return {path, path_length}; }
  // The path to ask the file system for.
  [[nodiscard]] std::string_view own_path() const {
    return kind == FileKind::kListing ? path_view().substr(0, path_view().find("//")) : path_view();
  }
  [[nodiscard]] std::string_view etag_view() const { return {etag, etag_length}; }
  [[nodiscard]] std::string_view last_modified_view() const { return {last_modified, kDateBytes}; }
};

struct FileBlock {
  static constexpr std::size_t kBytes = 8192;  // larger files are sent with sendfile(2)
  char bytes[kBytes];
};

struct FileTableHeader {
  std::atomic<std::uint32_t> stale{0};  // a hint: how many entries collect() may find
};

// A view of the table in the mapped segment. Copyable; owns nothing.
class FileTable {
 public:
  static constexpr std::uint32_t kEntries = 2048;
  static constexpr std::uint32_t kWays = 4;
  static constexpr std::uint64_t kListingBytes = std::uint64_t{64} << 20;  // all listings together

  FileTable() = default;
  FileTable(FileTableHeader* header, std::span<FileEntry> entries, std::span<FileBlock> blocks)
      : header_(header), entries_(entries), blocks_(blocks) {}

  // The READY entry for `path`, pinned in `flight`; null and no pin where there is none. Drops any earlier
  // pin of this worker.
  FileEntry* find(std::uint64_t root_key, std::string_view path, FlightRecord& flight) const;
  static void unpin(FlightRecord& flight) { flight.pinned_file.store(0, std::memory_order_release); }

  // An entry to fill in, owned by `holder`. Its path, hash and root_key are set, and fd is -1. Null when
  // the path is too long or the bucket is full; in a full bucket an idle entry is retired, so that a later
  // call succeeds.
  FileEntry* begin_fill(std::uint64_t root_key, std::string_view path, Holder holder, Tick now) const;
  // Makes a filled entry READY and pins it.
  void publish(FileEntry& entry, FlightRecord& flight) const;
  void abandon(FileEntry& entry) const;

  // READY -> STALE. The caller has the entry pinned. Harmless when another worker was first.
  void retire(FileEntry& entry) const;
  // Retires every entry below this root. Drops the pin in `flight`.
  void retire_all_of(std::uint64_t root_key, FlightRecord& flight) const;

  // Whether there is room for a listing of `bytes`. If not, retires the listing that was unused for
  // longest, so that a later call succeeds.
  [[nodiscard]] bool room_for_listing(std::uint64_t bytes) const;

  [[nodiscard]] char* block(const FileEntry& entry) const { return blocks_[index(entry)].bytes; }
  [[nodiscard]] std::string_view bytes(const FileEntry& entry) const {
    return {block(entry), entry.block_bytes};
  }

  // Closes and empties the STALE entries that no worker has pinned; returns how many. The caller, `holder`,
  // announces files in motion (DescriptorMotion). `close` replaces close(2): the master passes one, because
  // it closes no descriptor merely because this table names it.
  std::uint32_t collect(std::span<const WorkerEntry> workers, Holder holder,
                        const std::function<void(int)>& close = {}) const;
  // For want of descriptors: retires some of the entries that have one, those that were unused for longest
  // first, and collects. False: no entry has one.
  bool give_way(std::span<const WorkerEntry> workers, Holder holder) const;
  // Master only, after the death of `holder`: empties the entries that it was filling. Their descriptors
  // stay open until master/reclaimer.h finds them.
  void abandon_all_of(Holder holder) const;

  // Calls `fn(int fd)` for every descriptor that the table holds; for recovery.
  template <typename Fn>
  void for_each_fd(Fn fn) const {
    for (const FileEntry& entry : entries_) {
      if (state_of(entry.word.load(std::memory_order_acquire)) != State::kEmpty && entry.fd >= 0)
        fn(entry.fd);
    }
  }

 private:
  enum class State : std::uint8_t { kEmpty, kFilling, kReady, kStale };
  static State state_of(std::uint64_t word) {
    return static_cast<State>(static_cast<std::uint8_t>(word >> 8));
  }
  static std::uint64_t pack(std::uint32_t generation, Holder holder, State state) {
    return std::uint64_t{generation} << 32 | std::uint64_t{holder} << 16 |
           std::uint64_t{static_cast<std::uint8_t>(state)} << 8;
  }
  [[nodiscard]] std::uint32_t index(const FileEntry& entry) const {
    return static_cast<std::uint32_t>(&entry - entries_.data());
  }
  [[nodiscard]] std::span<FileEntry> bucket(std::uint64_t hash) const;

  FileTableHeader* header_ = nullptr;
  std::span<FileEntry> entries_;
  std::span<FileBlock> blocks_;
};

}  // namespace baton
