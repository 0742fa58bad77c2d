// Tells in the error log how many lines of the logs could not be written.
#pragma once

#include <cstdint>
#include <string_view>

#include "common/shared/segment.h"

namespace baton {

// For the master. One line at most in a minute for each log; where the error log cannot be written to either,
// as soon as it can.
class LogWatch {
 public:
  explicit LogWatch(SegmentHeader& header) : header_(header) {}

  // At each tick.
  void look(std::uint64_t now_ns);
  // Before the end: what has not been told yet.
  void finish();

 private:
  static constexpr std::uint64_t kEveryNs = 60'000'000'000;
  static constexpr std::uint64_t kAgainNs = 1'000'000'000;  // after a line about it was itself lost

  static void tell(std::string_view log, LogLosses& losses, std::uint64_t& next_ns, std::uint64_t now_ns);

  SegmentHeader& header_;
  std::uint64_t next_access_ns_ = 0;
  std::uint64_t next_error_ns_ = 0;
};

}  // namespace baton
