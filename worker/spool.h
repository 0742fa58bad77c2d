// Files for bodies: in memory while they are small, on disk when they are not.
#pragma once

#include <sys/types.h>

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "common/connection_table.h"
#include "common/unique_fd.h"

namespace baton {

struct SpoolPlace {
  const std::string& folder;   // server.spool_dir
  std::uint64_t memory_bytes;  // limits.spool_memory: a larger one is on disk
};

// A file without a name, for `bytes` bytes to begin with: a memfd, or above place.memory_bytes one in the
// folder (O_TMPFILE, open(2)), which its last close removes. The caller has it in motion
// (common/descriptor_motion.h). Nothing, with errno: no room or no descriptor.
UniqueFd open_spool(const char* name, std::uint64_t bytes, const SpoolPlace& place);

// Sees to it that a slot's spool is where a file of `bytes` bytes belongs, moving it to disk if need be. For
// the claim's holder. False, with errno: no room or no descriptor; nothing has changed then.
[[nodiscard]] bool fit_spool(Slot& slot, std::uint64_t bytes, const SpoolPlace& place);

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
