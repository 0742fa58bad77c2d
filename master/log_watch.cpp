#include "master/log_watch.h"

#include "common/base/log.h"
#include "common/base/units.h"

namespace baton {

void LogWatch::tell(std::string_view log, LogLosses& losses, std::uint64_t& next_ns, std::uint64_t now_ns) {
  const std::uint64_t lines = losses.lines.load(std::memory_order_relaxed);
  const std::uint64_t told = losses.told.load(std::memory_order_relaxed);
  if (lines == told || now_ns < next_ns) return;
  const bool written =
      log::try_error("the {} log could not be written, lines dropped: {} ({})", log,
                     format_count(lines - told), describe_loss(losses.error.load(std::memory_order_relaxed)));
  next_ns = now_ns + (written ? kEveryNs : kAgainNs);
  if (written) losses.told.store(lines, std::memory_order_relaxed);
}

void LogWatch::look(std::uint64_t now_ns) {
  tell("error", header_.error_log, next_error_ns_, now_ns);
  tell("access", header_.access_log, next_access_ns_, now_ns);
}

void LogWatch::finish() {
  next_access_ns_ = next_error_ns_ = 0;
  look(0);
}

}  // namespace baton
