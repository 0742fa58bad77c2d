// Part of <baton/module.h>. Lines for baton's error log; from any thread.
#pragma once

#include <cstdio>
#include <string_view>

#include "host.h"

namespace baton::inline sdk::log {

// Which levels are written is the configuration's `[log] level`. While the module's static variables are
// being initialised there is no log yet: such a line goes to standard error.
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
