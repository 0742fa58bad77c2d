// Whether the kernel has killed somebody for want of memory.
#pragma once

#include <cstdint>
#include <string>

namespace baton {

// The kernel does not say who sent a SIGKILL. It counts its OOM kills, though: in memory.events of our own
// cgroup (v2, with those of the groups below), else for the whole machine in /proc/vmstat. A count that has
// moved when a worker is found killed makes it probable.
class OomCounter {
 public:
  // Of this process's cgroup; remembers the present count.
  OomCounter();
  // Reads the line "oom_kill N" of `path`.
  explicit OomCounter(std::string path);

  // Whether there were any since the last call, or since the start. Reads the file.
  bool moved();

 private:
  [[nodiscard]] std::uint64_t read() const;

  std::string path_;
  std::uint64_t last_;
};

}  // namespace baton
