// Tells whether the kernel has killed a process for want of memory.
#pragma once

#include <cstdint>
#include <string>

namespace baton {

// The kernel does not say which process sent a SIGKILL. But it counts its OOM kills: in memory.events of our
// own cgroup (v2, with those of the groups below), else for the whole machine in /proc/vmstat. If the count
// has moved when a worker is found killed, the kernel has probably killed it.
class OomCounter {
 public:
  // Reads the counter of this process's cgroup, and remembers the present count.
  OomCounter();
  // Reads the line "oom_kill N" of `path`.
  explicit OomCounter(std::string path);

  // Whether there were OOM kills since the last call, or since the start. Reads the file.
  bool moved();

 private:
  [[nodiscard]] std::uint64_t read() const;

  std::string path_;
  std::uint64_t last_;
};

}  // namespace baton
