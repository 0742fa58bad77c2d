// Files for bodies of requests and responses. Small ones are in memory, large ones on disk, and all of them
// together stay within a budget (common/shared/spool_budget.h).
#pragma once

#include <sys/types.h>

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>

#include "common/shared/connection_table.h"
#include "common/shared/spool_budget.h"

namespace baton {

struct SpoolPlace {
  const std::string& folder;   // server.spool_dir
  std::uint64_t memory_bytes;  // limits.spool_memory: a larger file is on disk
};

// From here on this process counts its files in `budget`. Nothing is counted before, and nothing in a worker
// from before an upgrade: its descriptors are not the server's any more.
void count_spools_in(const SpoolBudget& budget);

// Gives back the charge of the file, and closes it.
void close_spool(int fd);

// Owns a file, and ends it with close_spool().
class SpoolFile {
 public:
  SpoolFile() = default;
  explicit SpoolFile(int fd) : fd_(fd) {}
  SpoolFile(SpoolFile&& other) noexcept : fd_(other.release()) {}
  SpoolFile& operator=(SpoolFile&& other) noexcept {
    std::swap(fd_, other.fd_);
    return *this;
  }
  ~SpoolFile() {
    if (fd_ >= 0) close_spool(fd_);
  }
  [[nodiscard]] int get() const { return fd_; }
  [[nodiscard]] int release() { return std::exchange(fd_, -1); }
  explicit operator bool() const { return fd_ >= 0; }

 private:
  int fd_ = -1;
};

// How large a file is to be.
struct SpoolExtent {
  std::uint64_t bytes = 0;     // now: the file is charged for so many
  std::uint64_t expected = 0;  // in the end, as far as known, at least `bytes`: decides where the file is put
};

// Opens a file without a name. It is a memfd. If it is expected to be larger than place.memory_bytes, or the
// budget for memory is used up, it is a file in the folder instead, which the last close removes (O_TMPFILE,
// open(2)). The caller holds a DescriptorMotion (common/shared/descriptor_motion.h). Nothing, with errno: no
// room or no descriptor; EDQUOT: no room in the budget.
SpoolFile open_spool(const char* name, SpoolExtent extent, const SpoolPlace& place);

// Makes sure that the file `fd` may have the extent. If it has to move to disk, `fresh` becomes a copy of it
// there, and the caller names that in its place; else `fresh` is left as it is. False, with errno as above:
// nothing has changed.
[[nodiscard]] bool fit_spool(int fd, SpoolExtent extent, const SpoolPlace& place, SpoolFile& fresh);

// The same for the spool of a slot, which is opened if there is none yet. For the holder of the claim.
[[nodiscard]] bool fit_spool(Slot& slot, SpoolExtent extent, const SpoolPlace& place);

// Returns a second descriptor of a file, or -1 with errno. The file is charged twice until one of the two is
// closed.
int duplicate_spool(int fd);

// Lowers the charge of a file that has been made shorter, to `bytes`.
void recharge_spool(int fd, std::uint64_t bytes);

// Whether 7/8 of the budget for files on disk are used. The rest should be left to what cannot wait.
[[nodiscard]] bool spool_is_tight();

// Whether the budget would allow a file of this size if there were no other.
[[nodiscard]] bool spool_can_hold(std::uint64_t bytes, const SpoolPlace& place);

// Writes all `size` bytes. False, with errno: not all could be written.
bool write_all(int fd, const void* data, std::size_t size, off_t at);

// Reads `size` bytes from `at` on. False: the file is shorter, or cannot be read.
bool read_all(int fd, void* data, std::size_t size, off_t at);

// Copies `bytes` of a file, from its `offset` on, to the beginning of another.
bool copy_file(int from, int to, off_t bytes, off_t offset = 0);

// A part of a file, mapped for reading.
class SpooledBody {
 public:
  SpooledBody() = default;
  SpooledBody(const SpooledBody&) = delete;
  SpooledBody& operator=(const SpooledBody&) = delete;
  ~SpooledBody();

  // Call once. False, with errno: it cannot be mapped.
  bool map(int fd, std::uint64_t offset, std::uint64_t length);
  [[nodiscard]] std::string_view bytes() const { return bytes_; }

 private:
  void* memory_ = nullptr;
  std::size_t mapped_ = 0;
  std::string_view bytes_;
};

}  // namespace baton
