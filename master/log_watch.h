// Reports in the error log how many lines of the two logs could not be written.
#pragma once

#include <cstdint>
#include <string_view>

#include "common/shared/segment.h"

namespace baton {

// For the master. Writes at most one line a minute for each log. If the error log cannot be written to
// either, it writes the line as soon as it can.
class LogWatch {
 public:
  explicit LogWatch(SegmentHeader& header) : header_(header) {}

  // To be called at each tick.
  void look(std::uint64_t now_ns);
  // To be called before the end: reports what has not been reported yet.
  void finish();

 private:
  static constexpr std::uint64_t kEveryNs = 60'000'000'000;
  static constexpr std::uint64_t kAgainNs = 1'000'000'000;  // after the report itself was lost

  static void tell(std::string_view log, LogLosses& losses, std::uint64_t& next_ns, std::uint64_t now_ns);

  SegmentHeader& header_;
  std::uint64_t next_access_ns_ = 0;
  std::uint64_t next_error_ns_ = 0;
};

}  // namespace baton
