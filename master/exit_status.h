// What the server's exit status means.
#pragma once

namespace baton {

struct ExitStatus {
  static constexpr int kFinished = 0;     // stopped as told; everything that was in hand is finished
  static constexpr int kCannotStart = 1;  // wrong configuration, address not free, or no worker can start
  static constexpr int kUsage = 2;        // wrong command line
  static constexpr int kDamaged = 70;     // the master's own descriptors were closed: start the server again
  static constexpr int kCutOff = 124;     // stopped as told; shutdown_timeout cut something off, see the log
  static constexpr int kSignal = 128;     // + SIGINT, SIGQUIT or a second SIGTERM: stopped at once
};

}  // namespace baton
