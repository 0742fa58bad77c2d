// The files behind the two logs.
#pragma once

#include <memory>
#include <string>

#include "common/unique_fd.h"

namespace baton {

// Where access log lines go; shared by the generations that write to the same place.
class AccessLogFile {
 public:
  // "off", "stdout" or a path. Throws std::runtime_error that names the path and the reason.
  explicit AccessLogFile(std::string target);
  // Of another program that has opened `target`; no descriptor where it has none.
  AccessLogFile(std::string target, UniqueFd file) : target_(std::move(target)), file_(std::move(file)) {}

  [[nodiscard]] const std::string& target() const { return target_; }
  [[nodiscard]] int fd() const;                             // -1: off
  [[nodiscard]] int own_fd() const { return file_.get(); }  // -1 also where it is standard output
  void reopen() const;  // SIGUSR1: the file under the same descriptor becomes a new one

 private:
  std::string target_;
  UniqueFd file_;
};

// The server's own log: "stderr" or a path, under one descriptor for the life of the server.
class ErrorLogFile {
 public:
  explicit ErrorLogFile(std::string target);
  ErrorLogFile(std::string target, UniqueFd fd) : target_(std::move(target)), fd_(std::move(fd)) {}

  [[nodiscard]] const std::string& target() const { return target_; }
  [[nodiscard]] int fd() const { return fd_.get(); }
  void reopen() const;
  void move_to(const std::string& target);  // a reload named another one

 private:
  std::string target_;
  UniqueFd fd_;
};

}  // namespace baton
