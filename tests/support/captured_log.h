// Lets a test read the log of its own process.
#pragma once

#include <sys/mman.h>
#include <unistd.h>

#include <array>
#include <string>
#include <utility>

#include "common/base/log.h"
#include "common/base/unique_fd.h"

namespace baton::test {

// While this lives, log lines are kept instead of being written to standard error. Only one may live at a
// time.
class CapturedLog {
 public:
  CapturedLog() { install_logger(file_.get(), "info"); }
  CapturedLog(const CapturedLog&) = delete;
  CapturedLog& operator=(const CapturedLog&) = delete;
  ~CapturedLog() { install_logger(STDERR_FILENO, "info"); }

  // The lines logged since the last call, without the time and the process: "warning: text\n".
  std::string said() {
    std::string lines;
    std::string line;
    std::array<char, 1> byte;
    for (; ::pread(file_.get(), byte.data(), 1, read_) == 1; ++read_) {
      line += byte[0];
      if (byte[0] == '\n') lines += shortened(std::exchange(line, {}));
    }
    return lines;
  }

 private:
  static std::string shortened(const std::string& line) {
    const std::size_t level = line.find('[') + 1;
    const std::size_t end = line.find(']', level);
    return line.substr(level, end - level) + line.substr(line.find(": ", end));
  }

  UniqueFd file_{::memfd_create("log", MFD_CLOEXEC)};
  off_t read_ = 0;
};

}  // namespace baton::test
