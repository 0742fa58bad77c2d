// What of the CPU and the kernel baton uses where it is there, and can be told to leave alone.
#pragma once

namespace baton {

enum class Ability : unsigned {
  kFsGsBase,        // "fsgsbase": instructions that change the base of FS (CPU, Linux 5.9)
  kDispatch,        // "dispatch": Syscall User Dispatch (Linux 5.11)
  kProtectionKeys,  // "pkeys": pkeys(7) (CPU, Linux 4.9)
};

// Whether the environment variable BATON_WITHOUT names it, separated from others by commas: then it is not to
// be used, and the process does all that it would do on a machine that has none. So the tests of one machine
// speak for others. The variable is read once, by the first call; throws std::runtime_error if it names
// anything else. The master asks first, before it clones its workers.
bool without(Ability ability);

}  // namespace baton
