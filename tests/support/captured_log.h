// The log of this process, for a test to read.
#pragma once

#include <sys/mman.h>
#include <unistd.h>

#include <array>
#include <string>
#include <utility>

#include "common/base/log.h"
#include "common/base/unique_fd.h"

namespace baton::test {

// From its making to its end, what is logged is kept instead of written to standard error. One at a time.
class CapturedLog {
 public:
  CapturedLog() { install_logger(file_.get(), "info"); }
  CapturedLog(const CapturedLog&) = delete;
  CapturedLog& operator=(const CapturedLog&) = delete;
  ~CapturedLog() { install_logger(STDERR_FILENO, "info"); }

  // What was logged since the last call, a line each, without its time and whose it is: "warning: text\n".
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
