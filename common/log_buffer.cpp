#include "common/log_buffer.h"

#include <unistd.h>

#include <cerrno>
#include <cstring>

namespace baton {

bool LogBuffer::append(std::string_view line, std::uint64_t now_ns) {
  const std::uint32_t used = length.load(std::memory_order_relaxed);
  if (line.size() > kBytes - used) return false;
  if (used == 0) oldest_ns.store(now_ns, std::memory_order_relaxed);
  std::memcpy(bytes + used, line.data(), line.size());
  length.store(used + static_cast<std::uint32_t>(line.size()), std::memory_order_release);
  return true;
}

void LogBuffer::flush(int fd) {
  const std::uint32_t used = length.load(std::memory_order_acquire);
  std::size_t done = 0;
  while (done < used) {  // one turn, but for a pipe or a signal that cuts the write short
    const ssize_t n = ::write(fd, bytes + done, used - done);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) break;
    done += static_cast<std::size_t>(n);
  }
  length.store(0, std::memory_order_release);
}

}  // namespace baton
