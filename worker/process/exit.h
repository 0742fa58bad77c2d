// Exit statuses of a process that the master has cloned, read by the master.
#pragma once

namespace baton {

struct WorkerExit {
  static constexpr int kRetired = 0;       // it was told to go, or its generation was replaced
  static constexpr int kCannotStart = 78;  // sysexits(3) EX_CONFIG: another try alone will not help
};

}  // namespace baton
