// A worker's access log lines on their way to the file, in shared memory so that its death loses none.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <string_view>

#include "common/base/log_lines.h"

namespace baton {

// The worker writes it; after the worker's death the master writes out what is left. If a worker is killed
// around its write(2), that one batch may be written twice, but it is never lost.
struct alignas(64) LogBuffer {
  static constexpr std::size_t kBytes = 64 * 1024 - 64;

  std::atomic<std::uint32_t> length{0};     // the bytes below it are whole lines
  std::atomic<std::uint64_t> oldest_ns{0};  // when the first of these lines was added
  char bytes[kBytes];

  // Never beyond the buffer, whatever a stray write has put into the length.
  [[nodiscard]] std::uint32_t used_bytes() const {
    return std::min<std::uint32_t>(length.load(std::memory_order_acquire), kBytes);
  }
  // Appends a whole line. False when it does not fit: flush first.
  bool append(std::string_view line, std::uint64_t now_ns);
  // Writes everything to `fd` and empties the buffer. Lines that cannot be written now are dropped and
  // counted in `losses`: see write_lines.
  void flush(int fd, LogLosses& losses);
};

}  // namespace baton
