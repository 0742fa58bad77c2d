#include "master/log_files.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <stdexcept>

#include "common/log.h"

namespace baton {

AccessLogFile::AccessLogFile(std::string target) : target_(std::move(target)) {
  if (target_ != "off" && target_ != "stdout") file_ = open_log_file(target_);
}

int AccessLogFile::fd() const {
  return target_ == "stdout" ? STDOUT_FILENO : file_.get();
}

void AccessLogFile::reopen() const {
  if (file_) reopen_log(file_.get(), target_);
}

ErrorLogFile::ErrorLogFile(std::string target) : target_(std::move(target)) {
  fd_ = target_ == "stderr" ? UniqueFd(::fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 3)) : open_log_file(target_);
}

void ErrorLogFile::reopen() const {
  if (target_ != "stderr") reopen_log(fd_.get(), target_);
}

void ErrorLogFile::move_to(const std::string& target) {
  if (target == target_) return;
  if (target == "stderr") {
    if (::dup3(STDERR_FILENO, fd_.get(), O_CLOEXEC) < 0) {
      throw std::runtime_error(std::string("cannot log to stderr: ") + std::strerror(errno));
    }
  } else {
    reopen_log(fd_.get(), target);
  }
  target_ = target;
}

}  // namespace baton
