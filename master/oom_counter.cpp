#include "master/oom_counter.h"

#include <unistd.h>

#include <fstream>
#include <utility>

namespace baton {

namespace {

std::string counter_file() {
  std::ifstream groups("/proc/self/cgroup");
  for (std::string line; std::getline(groups, line);) {
    if (!line.starts_with("0::")) continue;
    // The root group, "/", has no such file.
    std::string path = "/sys/fs/cgroup" + line.substr(3) + "/memory.events";
    if (::access(path.c_str(), R_OK) == 0) return path;
  }
  return "/proc/vmstat";
}

}  // namespace

OomCounter::OomCounter() : OomCounter(counter_file()) {}

OomCounter::OomCounter(std::string path) : path_(std::move(path)), last_(read()) {}

bool OomCounter::moved() {
  const std::uint64_t now = read();
  return std::exchange(last_, now) != now;
}

std::uint64_t OomCounter::read() const {
  std::ifstream file(path_);
  std::string name;
  std::uint64_t value = 0;
  while (file >> name >> value) {
    if (name == "oom_kill") return value;
  }
  return 0;
}

}  // namespace baton
