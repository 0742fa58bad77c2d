// The files behind the two logs.
#pragma once

#include <memory>
#include <string>

#include "common/base/log_lines.h"
#include "common/base/unique_fd.h"

namespace baton {

// One log. Its descriptor stays the same as long as any process writes to it; the file behind the descriptor
// may change. The processes that write the logs must not wait for a reader, so they do not write to a
// standard stream through descriptor 1 or 2 (open_standard_log).
class LogFile {
 public:
  // "off", "stdout", "stderr" or a path. Throws std::runtime_error that names the path and the reason.
  explicit LogFile(std::string target);
  // Takes over `file`, which the program before an upgrade has opened for `target`.
  LogFile(std::string target, UniqueFd file);

  [[nodiscard]] const std::string& target() const { return target_; }
  [[nodiscard]] int fd() const { return file_.get(); }  // -1: off

  // Finds out whether the file ends within a line, for the processes that write to it next.
  void begin(LogLosses& losses) const;
  // SIGUSR1: opens the path anew, under the same descriptor. Throws std::runtime_error, and then the old file
  // is still there.
  void reopen(LogLosses& losses) const;
  // Puts the other log's file under this one's descriptor. Both must have one. Throws std::runtime_error.
  void become(const LogFile& other);

 private:
  std::string target_;
  UniqueFd file_;
};

// The server's own log keeps its descriptor when a reload names another file.
class ErrorLogFile {
 public:
  explicit ErrorLogFile(std::string target) : file_(std::move(target)) {}
  ErrorLogFile(std::string target, UniqueFd fd) : file_(std::move(target), std::move(fd)) {}

  [[nodiscard]] const std::string& target() const { return file_.target(); }
  [[nodiscard]] int fd() const { return file_.fd(); }
  [[nodiscard]] bool owns(int fd) const { return fd == file_.fd() || (next_ && fd == next_->fd()); }
  void begin(LogLosses& losses) const { file_.begin(losses); }
  void reopen(LogLosses& losses) const { file_.reopen(losses); }

  // Opens the `target` that a reload names. Throws std::runtime_error. Nothing changes until commit();
  // abandon() forgets it.
  void prepare(const std::string& target);
  void commit(LogLosses& losses);
  void abandon() { next_.reset(); }

 private:
  LogFile file_;
  std::unique_ptr<LogFile> next_;
};

}  // namespace baton
