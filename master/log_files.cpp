#include "master/log_files.h"

#include <unistd.h>

#include "common/base/log_file.h"

namespace baton {

namespace {

UniqueFd open_target(const std::string& target) {
  if (target == "off") return {};
  if (target == "stdout") return open_standard_log(STDOUT_FILENO);
  if (target == "stderr") return open_standard_log(STDERR_FILENO);
  return open_log_file(target);
}

void look_at_end(int fd, LogLosses& losses) {
  std::int32_t torn = fd;
  if (ends_in_torn_line(fd)) {
    losses.torn_fd.store(fd, std::memory_order_relaxed);
  } else {
    losses.torn_fd.compare_exchange_strong(torn, -1, std::memory_order_relaxed);
  }
}

}  // namespace

LogFile::LogFile(std::string target) : target_(std::move(target)), file_(open_target(target_)) {}

// There is no file if the program before the upgrade wrote to the standard stream itself.
LogFile::LogFile(std::string target, UniqueFd file)
    : target_(std::move(target)), file_(file ? std::move(file) : open_target(target_)) {}

void LogFile::begin(LogLosses& losses) const {
  if (file_) look_at_end(file_.get(), losses);
}

void LogFile::reopen(LogLosses& losses) const {
  if (!file_ || target_ == "stdout" || target_ == "stderr") return;
  replace_log(file_.get(), open_log_file(target_));
  look_at_end(file_.get(), losses);
}

void LogFile::become(const LogFile& other) {
  replace_log(file_.get(), other.file_);
  target_ = other.target_;
}

void ErrorLogFile::prepare(const std::string& target) {
  next_.reset();
  if (target != file_.target()) next_ = std::make_unique<LogFile>(target);
}

void ErrorLogFile::commit(LogLosses& losses) {
  if (!next_) return;
  const std::unique_ptr<LogFile> next = std::move(next_);
  file_.become(*next);
  file_.begin(losses);
}

}  // namespace baton
