// How much memory a process has to itself.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <optional>

namespace baton {

// Bytes resident in memory and not shared with a file or another process's mapping (/proc/PID/statm); nothing
// when there is no such process. What a worker has not written to since it was cloned counts as well.
std::optional<std::uint64_t> private_memory(pid_t pid);

}  // namespace baton
