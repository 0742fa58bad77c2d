// How much memory a process has to itself.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <optional>

namespace baton {

// Bytes that are resident and shared with no file or other process's mapping (/proc/PID/statm). Memory that
// a worker has not written to since it was cloned counts as well. Nothing when there is no such process.
std::optional<std::uint64_t> private_memory(pid_t pid);

}  // namespace baton
