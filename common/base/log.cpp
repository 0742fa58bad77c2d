// Only this file includes spdlog, so neither the rest of the program nor a module that is loaded sees it. A
// module may use an spdlog of its own, and its registry and default logger are then its own, too.
#define SPDLOG_HEADER_ONLY
#define SPDLOG_FMT_EXTERNAL

#include "common/base/log.h"

#include <spdlog/logger.h>
#include <spdlog/pattern_formatter.h>
#include <spdlog/sinks/base_sink.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <memory>
#include <mutex>

namespace baton {

namespace {

constinit LogLosses nobodys_losses;

// The mutex is between two threads of one process: the event thread, and the thread that logs for modules.
// Neither waits long for it, because no write waits.
class DescriptorSink final : public spdlog::sinks::base_sink<std::mutex> {
 public:
  DescriptorSink(int fd, LogLosses& losses) : fd_(fd), losses_(losses) {}

  // The next message is not counted when it is dropped. Only for a process that has a single thread.
  void only_try(bool only) { only_try_ = only; }
  // Whether the last message was written.
  [[nodiscard]] bool written() const { return written_; }

 protected:
  void sink_it_(const spdlog::details::log_msg& message) override {
    spdlog::memory_buf_t line;
    formatter_->format(message, line);
    const std::string_view text(line.data(), line.size());
    written_ = only_try_ ? try_line(fd_, text, losses_) : write_lines(fd_, text, losses_) == 0;
  }
  void flush_() override {}

 private:
  int fd_;
  LogLosses& losses_;
  bool only_try_ = false;
  bool written_ = false;
};

// Never destroyed: a process may log until its last instruction.
struct Log {
  std::shared_ptr<DescriptorSink> sink;
  spdlog::logger logger;

  Log(int fd, LogLosses& losses) : sink(std::make_shared<DescriptorSink>(fd, losses)), logger("baton", sink) {
    logger.set_level(spdlog::level::trace);  // enabled() decides what is written
    logger.set_error_handler([](const std::string&) {});
    name("master");
  }
  void name(const std::string& identity) {
    logger.set_pattern("%Y-%m-%d %H:%M:%S.%e [%l] " + identity + ": %v");
  }
};

std::unique_ptr<Log>& installed() {
  static auto* const log = new auto(std::make_unique<Log>(STDERR_FILENO, nobodys_losses));
  return *log;
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
  installed()->logger.log(spdlog_level(level), spdlog::string_view_t(line));
}

bool detail::try_write(Level level, fmt::string_view format, fmt::format_args arguments) {
  DescriptorSink& sink = *installed()->sink;
  sink.only_try(true);
  write(level, format, arguments);
  sink.only_try(false);
  return sink.written();
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

void install_logger(int fd, std::string_view level, LogLosses* losses) {
  installed() = std::make_unique<Log>(fd, losses != nullptr ? *losses : nobodys_losses);
  log::set_level(level);
}

void set_log_identity(const std::string& identity) {
  installed()->name(identity);
}

}  // namespace baton
