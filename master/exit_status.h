// What the server's exit status says.
#pragma once

namespace baton {

struct ExitStatus {
  static constexpr int kFinished = 0;     // told to stop; everything that was in hand is finished
  static constexpr int kCannotStart = 1;  // the configuration, an address, or no worker can start with it
  static constexpr int kUsage = 2;        // a wrong command line
  static constexpr int kDamaged = 70;     // the master's own descriptors were closed: to be started again
  static constexpr int kCutOff = 124;     // told to stop; shutdown_timeout cut something off, see the log
  static constexpr int kSignal = 128;     // + SIGINT, SIGQUIT or a second SIGTERM: stopped at once
};

}  // namespace baton
