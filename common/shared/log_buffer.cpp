#include "common/shared/log_buffer.h"

#include <cstring>

namespace baton {

bool LogBuffer::append(std::string_view line, std::uint64_t now_ns) {
  const std::uint32_t used = used_bytes();
  if (line.size() > kBytes - used) return false;
  if (used == 0) oldest_ns.store(now_ns, std::memory_order_relaxed);
  std::memcpy(bytes + used, line.data(), line.size());
  length.store(used + static_cast<std::uint32_t>(line.size()), std::memory_order_release);
  return true;
}

void LogBuffer::flush(int fd, LogLosses& losses) {
  const std::uint32_t used = used_bytes();
  if (used != 0) write_lines(fd, {bytes, used}, losses);
  length.store(0, std::memory_order_release);
}

}  // namespace baton
