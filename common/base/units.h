// Numbers as people read them: short, aligned by their width, never wrong by more than a rounding.
#pragma once

#include <cstdint>
#include <string>

namespace baton {

// "0B", "999B", "1.5K", "23M", "4.0G": powers of 1024, at most three significant digits.
std::string format_bytes(std::uint64_t bytes);
// "0", "1,234,567".
std::string format_count(std::uint64_t count);
// Events a second: "0", "0.4", "12.3", "1,234".
std::string format_rate(double per_second);
// "0.4s", "59s", "3m05s", "2h13m", "5d04h"; negative is 0.
std::string format_duration(double seconds);
// "950us", "1.25ms", "12.5ms", "2.1s"; "-" for 0, which a histogram without samples returns.
std::string format_latency(std::uint64_t ns);

}  // namespace baton
