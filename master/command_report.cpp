#include "master/command_report.h"

#include <cstring>
#include <ctime>

namespace baton {

void publish(CommandReport& report, bool ok, const std::string& message) {
  report.sequence.fetch_add(1, std::memory_order_acq_rel);
  report.ok.store(ok ? 1 : 0, std::memory_order_relaxed);
  report.unix_time.store(::time(nullptr), std::memory_order_relaxed);
  std::strncpy(report.message, message.c_str(), sizeof report.message - 1);
  report.sequence.fetch_add(1, std::memory_order_acq_rel);
}

}  // namespace baton
