// The server's own log: what is said in it, and the descriptors of both logs.
#pragma once

#include <fmt/core.h>

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>

#include "common/unique_fd.h"

namespace baton {

namespace log {

enum class Level : std::uint8_t { kTrace, kDebug, kInfo, kWarn, kError, kCritical };

namespace detail {
extern Level lowest;  // that is written
void write(Level level, fmt::string_view format, fmt::format_args arguments);
}  // namespace detail

// From this level on lines are written, in this process and those cloned from it afterwards. By name it is
// one of "trace", "debug", "info", "warn", "error"; another name is "info".
void set_level(Level level);
void set_level(std::string_view name);

inline bool enabled(Level level) {
  return level >= detail::lowest;
}

// A line of the log. Nothing is formatted where the level is not written. `format` and its arguments are
// fmt's. Of one thread of a process at a time.
template <typename... Arguments>
void write(Level level, fmt::format_string<Arguments...> format, Arguments&&... arguments) {
  if (enabled(level)) detail::write(level, format, fmt::make_format_args(arguments...));
}
template <typename... Arguments>
void debug(fmt::format_string<Arguments...> format, Arguments&&... arguments) {
  write(Level::kDebug, format, std::forward<Arguments>(arguments)...);
}
template <typename... Arguments>
void info(fmt::format_string<Arguments...> format, Arguments&&... arguments) {
  write(Level::kInfo, format, std::forward<Arguments>(arguments)...);
}
template <typename... Arguments>
void warn(fmt::format_string<Arguments...> format, Arguments&&... arguments) {
  write(Level::kWarn, format, std::forward<Arguments>(arguments)...);
}
template <typename... Arguments>
void error(fmt::format_string<Arguments...> format, Arguments&&... arguments) {
  write(Level::kError, format, std::forward<Arguments>(arguments)...);
}
template <typename... Arguments>
void critical(fmt::format_string<Arguments...> format, Arguments&&... arguments) {
  write(Level::kCritical, format, std::forward<Arguments>(arguments)...);
}

}  // namespace log

// Opens `path` for appending (created with mode 0640). Throws std::runtime_error that names the path and the
// reason.
UniqueFd open_log_file(const std::string& path);

// Points the log at `fd`, one write(2) per line, in this process and those cloned from it; until then it is
// standard error. Synchronous on purpose: a logging thread would not survive clone(2). `fd` is borrowed and
// stays the same number for ever: reopen_log() replaces the file behind it for all processes at once, because
// they share one descriptor table.
void install_logger(int fd, std::string_view level);

// Names this process in each line from now on: "master", "worker 2".
void set_log_identity(const std::string& identity);

// Opens `path` anew and puts it in place of `fd` (dup3 is atomic: no line is lost). Throws like
// open_log_file().
void reopen_log(int fd, const std::string& path);

}  // namespace baton
