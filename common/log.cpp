// spdlog is in here, and nowhere else: no other part of the program sees it, and no module that is loaded
// into it does. Modules may use an spdlog of their own, whose registry and default logger are then theirs
// alone.
#define SPDLOG_HEADER_ONLY
#define SPDLOG_FMT_EXTERNAL

#include "common/log.h"

#include <fcntl.h>
#include <spdlog/details/null_mutex.h>
#include <spdlog/logger.h>
#include <spdlog/pattern_formatter.h>
#include <spdlog/sinks/base_sink.h>
#include <unistd.h>

#include <algorithm>
#include <array>
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

std::unique_ptr<spdlog::logger> make_logger(int fd, const std::string& identity) {
  auto logger = std::make_unique<spdlog::logger>("baton", std::make_shared<DescriptorSink>(fd));
  logger->set_level(spdlog::level::trace);  // what is written is decided by enabled()
  logger->set_pattern("%Y-%m-%d %H:%M:%S.%e [%l] " + identity + ": %v");
  logger->set_error_handler([](const std::string&) {});
  return logger;
}

// Never destroyed: a process may log until its last instruction.
spdlog::logger*& logger() {
  static spdlog::logger* instance = make_logger(STDERR_FILENO, "master").release();
  return instance;
}

spdlog::level::level_enum spdlog_level(log::Level level) {
  constexpr std::array kLevels{spdlog::level::trace, spdlog::level::debug, spdlog::level::info,
                               spdlog::level::warn,  spdlog::level::err,   spdlog::level::critical};
  return kLevels[static_cast<std::size_t>(level)];
}

}  // namespace

namespace log {

constinit Level detail::lowest = Level::kInfo;

void detail::write(Level level, fmt::string_view format, fmt::format_args arguments) {
  const std::string line = fmt::vformat(format, arguments);
  logger()->log(spdlog_level(level), spdlog::string_view_t(line));
}

void set_level(Level level) {
  detail::lowest = level;
}

void set_level(std::string_view name) {
  constexpr std::array<std::string_view, 5> kNames{"trace", "debug", "info", "warn", "error"};
  const auto* const found = std::find(kNames.begin(), kNames.end(), name);
  set_level(found == kNames.end() ? Level::kInfo : static_cast<Level>(found - kNames.begin()));
}

}  // namespace log

UniqueFd open_log_file(const std::string& path) {
  UniqueFd fd(::open(path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOCTTY, 0640));
  if (!fd) throw std::runtime_error("cannot open the log " + path + ": " + std::strerror(errno));
  return fd;
}

void install_logger(int fd, std::string_view level) {
  delete logger();
  logger() = make_logger(fd, "master").release();
  log::set_level(level);
}

void set_log_identity(const std::string& identity) {
  logger()->set_pattern("%Y-%m-%d %H:%M:%S.%e [%l] " + identity + ": %v");
}

void reopen_log(int fd, const std::string& path) {
  const UniqueFd fresh = open_log_file(path);
  if (::dup3(fresh.get(), fd, O_CLOEXEC) < 0) {
    throw std::runtime_error("cannot reopen the log " + path + ": " + std::strerror(errno));
  }
}

}  // namespace baton
