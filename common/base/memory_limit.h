// How much memory this process and its children may use.
#pragma once

#include <cstdint>
#include <filesystem>

namespace baton {

// The smallest of the machine's memory and the limits of the control groups from the root down to this
// process's own (memory.max of version 2, memory.limit_in_bytes of version 1), in bytes. A container may
// not see that path; then the group at the top of its mount is its own.
std::uint64_t memory_limit();

// The limit that the groups set; the largest number if they set none.
std::uint64_t cgroup_memory_limit(const std::filesystem::path& proc_cgroup,
                                  const std::filesystem::path& mount);

}  // namespace baton
