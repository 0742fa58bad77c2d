// Asks the program that an upgrade would execute whether it can take over. The program runs in a process of
// its own, the probe, while the old one goes on serving.
//
//   master                                      probe: PROGRAM --upgrade-probe -c FILE
//     posix_spawn, no descriptor but 0 to 2 ->    is linked, reads the configuration, opens roots and logs,
//                                                 attaches the live segment, loads the modules
//     output_fd() readable                  <-    one line of JSON, exit 0; or why not, exit 1
//     SIGCHLD                               <-    has ended
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "common/base/unique_fd.h"
#include "common/config/config.h"

namespace baton {

// What the new program says about itself.
struct ProbeReport {
  std::string version;
  std::uint32_t workers = 0;         // how many it will start
  std::uint32_t descriptors = 0;     // how many it opens before it serves, without workers and listeners
  std::string file;                  // the absolute path of the configuration
  std::vector<ListenConfig> listen;  // with line and column
};

// The new program's side: main() of `baton --upgrade-probe`. Returns the exit status.
int answer_probe(const Config& config, const std::string& config_file);

// The old program's side.
class UpgradeProbe {
 public:
  static constexpr std::uint64_t kTimeoutNs = 30'000'000'000;

  // Starts the probe. Blocks only until the kernel has loaded the program. Throws std::runtime_error if the
  // program cannot be executed.
  UpgradeProbe(const std::string& program, const std::string& config_file);
  UpgradeProbe(const UpgradeProbe&) = delete;
  UpgradeProbe& operator=(const UpgradeProbe&) = delete;
  ~UpgradeProbe();  // kills the process

  // To be watched for EPOLLIN; -1 once it is closed.
  [[nodiscard]] int output_fd() const { return output_.get(); }

  // Looks at what has happened; to be called at SIGCHLD as well. Never blocks. True: the process has ended,
  // and report() or failure() tells the result.
  bool look(std::uint64_t now_ns);

  [[nodiscard]] const std::optional<ProbeReport>& report() const { return report_; }
  [[nodiscard]] const std::string& failure() const { return failure_; }

 private:
  void read_output();
  void judge(int code, int status);

  std::uint64_t give_up_ns_;
  bool given_up_ = false;
  UniqueFd output_;
  pid_t process_ = -1;  // means this process until look() or the destructor waits for it
  std::string text_;
  std::optional<ProbeReport> report_;
  std::string failure_;
};

}  // namespace baton
