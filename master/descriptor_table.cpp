#include "master/descriptor_table.h"

#include <fcntl.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <stdexcept>
#include <string>

#include "common/shared/file_table.h"

namespace baton {

std::uint32_t size_descriptor_table(std::uint32_t max_connections) {
  constexpr std::uint32_t kFixed = FileTable::kEntries + kServerDescriptors;
  const std::uint32_t least = max_connections + kFixed;
  rlimit limit{};
  ::getrlimit(RLIMIT_NOFILE, &limit);
  const rlim_t hard = limit.rlim_max;
  std::uint32_t count = kMostPerConnection * max_connections + kFixed;
  limit.rlim_cur = count;  // exactly, so that every descriptor number has a slot
  limit.rlim_max = std::max<rlim_t>(hard, count);
  if (::setrlimit(RLIMIT_NOFILE, &limit) != 0) {
    count = static_cast<std::uint32_t>(std::min<rlim_t>(hard, count));
    limit.rlim_cur = count;
    limit.rlim_max = hard;
    if (count < least || ::setrlimit(RLIMIT_NOFILE, &limit) != 0) {
      const std::string possible =
          hard > kFixed ? ", or lower max_connections to " + std::to_string(hard - kFixed) + " or less" : "";
      throw std::runtime_error("max_connections = " + std::to_string(max_connections) + " needs " +
                               std::to_string(least) + " open files, but the limit is " +
                               std::to_string(hard) +
                               ": raise it (ulimit -n, or LimitNOFILE= in the systemd unit)" + possible);
    }
  }
  if (!grow_descriptor_table(count))
    throw std::runtime_error(std::string("cannot grow the descriptor table: ") + std::strerror(errno));
  return count;
}

bool grow_descriptor_table(std::uint32_t count) {
  // The kernel grows the table to hold the highest number in use and never shrinks it.
  const int low = ::open("/dev/null", O_RDONLY | O_CLOEXEC);
  const int high = ::fcntl(low, F_DUPFD_CLOEXEC, static_cast<int>(count) - 1);
  const int error = errno;
  ::close(low);
  if (high >= 0) ::close(high);
  errno = error;
  return high >= 0;
}

std::optional<std::string> exceeds(const Config& config, std::uint32_t capacity) {
  const std::uint32_t most = most_connections(config);
  if (most <= capacity) return std::nullopt;
  return config.file + ": max_connections = " + std::to_string(most) + " is above the " +
         std::to_string(capacity) + " that the server was started with: restart it to raise the limit";
}

}  // namespace baton
