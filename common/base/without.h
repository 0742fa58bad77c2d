// Abilities of the CPU and the kernel that baton uses where they exist, and can be told to leave alone.
#pragma once

namespace baton {

enum class Ability : unsigned {
  kFsGsBase,        // "fsgsbase": instructions that change the base of FS (CPU, Linux 5.9)
  kDispatch,        // "dispatch": Syscall User Dispatch (Linux 5.11)
  kProtectionKeys,  // "pkeys": pkeys(7) (CPU, Linux 4.9)
};

// Whether the environment variable BATON_WITHOUT, a list separated by commas, names `ability`. Then the
// ability must not be used, and the process behaves as on a machine without it, so that the tests of one
// machine speak for others. The first call reads the variable, and throws std::runtime_error if it names
// anything else; the master makes that call before it clones its workers.
bool without(Ability ability);

}  // namespace baton
