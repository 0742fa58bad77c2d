// Part of <baton/module.h>. Writes lines to baton's error log. May be used from any thread.
#pragma once

#include <cstdio>
#include <string_view>

#include "host.h"

namespace baton::inline sdk::log {

// `[log] level` of the configuration decides which levels are written. There is no log yet while the module's
// static variables are initialised: then the line goes to standard error.
inline void write(int level, std::string_view line) {
  if (detail::host) return detail::host->log(level, detail::text(line));
  std::fprintf(stderr, "%.*s\n", static_cast<int>(line.size()), line.data());
}

inline void debug(std::string_view line) {
  write(BATON_LOG_DEBUG, line);
}
inline void info(std::string_view line) {
  write(BATON_LOG_INFO, line);
}
inline void warn(std::string_view line) {
  write(BATON_LOG_WARN, line);
}
inline void error(std::string_view line) {
  write(BATON_LOG_ERROR, line);
}

}  // namespace baton::inline sdk::log
