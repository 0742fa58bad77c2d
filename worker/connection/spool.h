// Files for bodies: in memory while they are small, on disk when they are not; and all of them together
// within a budget (common/shared/spool_budget.h).
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
  std::uint64_t memory_bytes;  // limits.spool_memory: a larger one is on disk
};

// What this process counts its files in from here on. Before, and in a worker from before an upgrade, whose
// descriptors are not the server's any more, nothing is counted.
void count_spools_in(const SpoolBudget& budget);

// Gives back what the file was charged for, and closes it.
void close_spool(int fd);

// A file that is closed so, unless it is released.
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
  std::uint64_t bytes = 0;     // now: what it is charged for
  std::uint64_t expected = 0;  // in the end, as far as it is known: decides where it is put; at least `bytes`
};

// A file without a name: a memfd, or above place.memory_bytes, and where the budget for memory is used up,
// one in the folder (O_TMPFILE, open(2)), which its last close removes. The caller has it in motion
// (common/shared/descriptor_motion.h). Nothing, with errno: no room or no descriptor; EDQUOT: no room in the
// budget.
SpoolFile open_spool(const char* name, SpoolExtent extent, const SpoolPlace& place);

// Sees to it that the file `fd` may have the extent: `fresh` is a copy of it on disk then, if it has to move
// there, and the caller's to name in its place. Else fresh is nothing. False, with errno as above: nothing
// has changed then.
[[nodiscard]] bool fit_spool(int fd, SpoolExtent extent, const SpoolPlace& place, SpoolFile& fresh);

// The same for a slot's spool, which is opened if there is none yet. For the claim's holder.
[[nodiscard]] bool fit_spool(Slot& slot, SpoolExtent extent, const SpoolPlace& place);

// A second descriptor of a file, -1 with errno if there is none. What the file costs is counted for both
// until one of them is closed.
int duplicate_spool(int fd);

// After it has been made shorter.
void recharge_spool(int fd, std::uint64_t bytes);

// Whether so little of the budget for files on disk is left that it should be kept for what cannot wait.
[[nodiscard]] bool spool_is_tight();

// Whether a file of this size may be allowed by the budget at all, were there no other.
[[nodiscard]] bool spool_can_hold(std::uint64_t bytes, const SpoolPlace& place);

// Whether all of it could be written, with errno if not.
bool write_all(int fd, const void* data, std::size_t size, off_t at);

// Makes `bytes` of a file, from its `offset` on, the beginning of another.
bool copy_file(int from, int to, off_t bytes, off_t offset = 0);

// A part of a file, mapped for reading.
class SpooledBody {
 public:
  SpooledBody() = default;
  SpooledBody(const SpooledBody&) = delete;
  SpooledBody& operator=(const SpooledBody&) = delete;
  ~SpooledBody();

  // Once. False, with errno.
  bool map(int fd, std::uint64_t offset, std::uint64_t length);
  [[nodiscard]] std::string_view bytes() const { return bytes_; }

 private:
  void* memory_ = nullptr;
  std::size_t mapped_ = 0;
  std::string_view bytes_;
};

}  // namespace baton
