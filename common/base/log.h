// The server's own log.
#pragma once

#include <fmt/core.h>

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>

#include "common/base/log_lines.h"

namespace baton {

namespace log {

enum class Level : std::uint8_t { kTrace, kDebug, kInfo, kWarn, kError, kCritical };

namespace detail {
extern Level lowest;  // the lowest level that is written
void write(Level level, fmt::string_view format, fmt::format_args arguments);
bool try_write(Level level, fmt::string_view format, fmt::format_args arguments);
}  // namespace detail

// Sets the lowest level that is written, in this process and in those cloned from it afterwards. The names
// are "trace", "debug", "info", "warn" and "error"; any other name means "info".
void set_level(Level level);
void set_level(std::string_view name);

inline bool enabled(Level level) {
  return level >= detail::lowest;
}

// Writes a line. Any thread may call it that has the shared descriptor table. `format` and its arguments
// are fmt's, and nothing is formatted below the level. Never waits: see write_lines.
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

// Writes an error, but does not count it as a dropped line when it cannot be written. Returns whether it
// was written.
template <typename... Arguments>
bool try_error(fmt::format_string<Arguments...> format, Arguments&&... arguments) {
  return detail::try_write(Level::kError, format, fmt::make_format_args(arguments...));
}

}  // namespace log

// Points the log at `fd`, one write per line, in this process and in those cloned from it; until then the
// log is standard error. Writing is synchronous on purpose: a logging thread would not survive clone(2).
//
// `fd` is borrowed and stays the same number for ever: replace_log() changes the file behind it for all
// processes at once, because they share one descriptor table. `losses` must outlive the log; with null,
// dropped lines are not reported.
void install_logger(int fd, std::string_view level, LogLosses* losses = nullptr);

// Sets this process's name in each line from now on: "master", "worker 2".
void set_log_identity(const std::string& identity);

}  // namespace baton
