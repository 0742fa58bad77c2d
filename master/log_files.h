// The files behind the two logs.
#pragma once

#include <memory>
#include <string>

#include "common/base/log_lines.h"
#include "common/base/unique_fd.h"

namespace baton {

// One log, under one descriptor for as long as there is any writer: what is behind it may change. The logs
// are written by processes that may not wait for anybody, so a standard stream is not written to through 1 or
// 2 (open_standard_log).
class LogFile {
 public:
  // "off", "stdout", "stderr" or a path. Throws std::runtime_error that names the path and the reason.
  explicit LogFile(std::string target);
  // Of another program that has opened `target`.
  LogFile(std::string target, UniqueFd file);

  [[nodiscard]] const std::string& target() const { return target_; }
  [[nodiscard]] int fd() const { return file_.get(); }  // -1: off

  // Whether the file ends within a line is found out, for those who write to it next.
  void begin(LogLosses& losses) const;
  // SIGUSR1: the file under the same descriptor becomes a new one. Throws std::runtime_error: it is the old
  // one.
  void reopen(LogLosses& losses) const;
  // Both have descriptors: this one's is what the other's is from now on. Throws std::runtime_error.
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

  // A reload names `target`: opens it. Throws std::runtime_error. Nothing changes until commit(); abandon()
  // forgets it.
  void prepare(const std::string& target);
  void commit(LogLosses& losses);
  void abandon() { next_.reset(); }

 private:
  LogFile file_;
  std::unique_ptr<LogFile> next_;
};

}  // namespace baton
