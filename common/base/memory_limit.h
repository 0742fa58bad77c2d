// How much memory there is for this process and its like.
#pragma once

#include <cstdint>
#include <filesystem>

namespace baton {

// The least of what the machine has and what the control groups on the way to this process's own allow
// (memory.max of version 2, memory.limit_in_bytes of version 1). In bytes. In a container, where the way is
// not to be seen, the group at its top is the container's own.
std::uint64_t memory_limit();

// What the groups allow; the largest number there is if they set no limit.
std::uint64_t cgroup_memory_limit(const std::filesystem::path& proc_cgroup,
                                  const std::filesystem::path& mount);

}  // namespace baton
