#include "common/base/memory_limit.h"

#include <unistd.h>

#include <algorithm>
#include <fstream>
#include <limits>
#include <string>

namespace baton {

namespace {

constexpr std::uint64_t kNone = std::numeric_limits<std::uint64_t>::max();

std::uint64_t number_in(const std::filesystem::path& file) {
  std::ifstream stream(file);
  std::uint64_t number = 0;
  return stream >> number ? number : kNone;  // "max" means no limit
}

// Each group's limit also holds for the groups below it.
std::uint64_t least_along(const std::filesystem::path& mount, const std::filesystem::path& group,
                          const char* file) {
  std::uint64_t least = number_in(mount / file);
  std::filesystem::path at = mount;
  for (const std::filesystem::path& part : group.relative_path())
    least = std::min(least, number_in((at /= part) / file));
  return least;
}

}  // namespace

std::uint64_t cgroup_memory_limit(const std::filesystem::path& proc_cgroup,
                                  const std::filesystem::path& mount) {
  std::uint64_t least = kNone;
  std::ifstream groups(proc_cgroup);
  for (std::string line; std::getline(groups, line);) {  // "0::/a/b", "4:memory:/a/b", "3:cpu,memory:/"
    const std::size_t first = line.find(':');
    const std::size_t second = first == std::string::npos ? first : line.find(':', first + 1);
    if (second == std::string::npos) continue;
    const std::string controllers = "," + line.substr(first + 1, second - first - 1) + ",";
    const std::string group = line.substr(second + 1);
    if (controllers == ",,") {
      least = std::min({least, least_along(mount, group, "memory.max"),
                        least_along(mount / "unified", group, "memory.max")});
    } else if (controllers.find(",memory,") != std::string::npos) {
      least = std::min(least, least_along(mount / "memory", group, "memory.limit_in_bytes"));
    }
  }
  return least;
}

std::uint64_t memory_limit() {
  const auto machine = static_cast<std::uint64_t>(::sysconf(_SC_PHYS_PAGES)) *
                       static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE));
  return std::min(machine, cgroup_memory_limit("/proc/self/cgroup", "/sys/fs/cgroup"));
}

}  // namespace baton
