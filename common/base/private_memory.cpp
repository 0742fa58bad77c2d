#include "common/base/private_memory.h"

#include <unistd.h>

#include <algorithm>
#include <fstream>
#include <string>

namespace baton {

std::optional<std::uint64_t> private_memory(pid_t pid) {
  std::ifstream file("/proc/" + std::to_string(pid) + "/statm");
  std::uint64_t size = 0;
  std::uint64_t resident = 0;
  std::uint64_t shared = 0;
  if (!(file >> size >> resident >> shared)) return std::nullopt;
  return (resident - std::min(resident, shared)) * static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE));
}

}  // namespace baton
