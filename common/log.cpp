#include "common/log.h"

#include <fcntl.h>
#include <spdlog/details/null_mutex.h>
#include <spdlog/sinks/base_sink.h>
#include <spdlog/spdlog.h>

#include <cerrno>
#include <cstring>
#include <memory>
#include <stdexcept>

namespace baton {

namespace {

class DescriptorSink final : public spdlog::sinks::base_sink<spdlog::details::null_mutex> {
 public:
  explicit DescriptorSink(int fd) : fd_(fd) {}

 protected:
  void sink_it_(const spdlog::details::log_msg& message) override {
    spdlog::memory_buf_t line;
    formatter_->format(message, line);
    // Whole lines with O_APPEND: processes never mix theirs. A full disk costs the line, not the server.
    [[maybe_unused]] const ssize_t ignored = ::write(fd_, line.data(), line.size());
  }
  void flush_() override {}

 private:
  int fd_;
};

}  // namespace

UniqueFd open_log_file(const std::string& path) {
  UniqueFd fd(::open(path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOCTTY, 0640));
  if (!fd) throw std::runtime_error("cannot open the log " + path + ": " + std::strerror(errno));
  return fd;
}

void install_logger(int fd, const std::string& level) {
  auto logger = std::make_shared<spdlog::logger>("baton", std::make_shared<DescriptorSink>(fd));
  logger->set_level(spdlog::level::from_str(level));
  spdlog::set_default_logger(std::move(logger));
  set_log_identity("master");
}

void set_log_identity(const std::string& identity) {
  spdlog::set_pattern("%Y-%m-%d %H:%M:%S.%e [%l] " + identity + ": %v");
}

void reopen_log(int fd, const std::string& path) {
  const UniqueFd fresh = open_log_file(path);
  if (::dup3(fresh.get(), fd, O_CLOEXEC) < 0) {
    throw std::runtime_error("cannot reopen the log " + path + ": " + std::strerror(errno));
  }
}

}  // namespace baton
