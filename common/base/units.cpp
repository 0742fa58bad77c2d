#include "common/base/units.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

namespace baton {

namespace {

// The limits below are those at which rounding would add a digit.
std::string three_digits(double value) {
  if (value < 9.995) return fmt::format("{:.2f}", value);
  if (value < 99.95) return fmt::format("{:.1f}", value);
  return fmt::format("{:.0f}", value);
}

}  // namespace

std::string format_bytes(std::uint64_t bytes) {
  if (bytes < 1000) return fmt::format("{}B", bytes);
  auto value = static_cast<double>(bytes);
  const char* unit = "BKMGTPE";
  while (value >= 999.5) {
    value /= 1024;
    ++unit;
  }
  return value < 9.95 ? fmt::format("{:.1f}{}", value, *unit) : fmt::format("{:.0f}{}", value, *unit);
}

std::string format_count(std::uint64_t count) {
  std::string text = std::to_string(count);
  for (std::size_t at = text.size(); at > 3;) {
    at -= 3;
    text.insert(at, 1, ',');
  }
  return text;
}

std::string format_rate(double per_second) {
  if (per_second < 0.05) return "0";
  if (per_second < 99.95) return fmt::format("{:.1f}", per_second);
  return format_count(static_cast<std::uint64_t>(std::llround(per_second)));
}

std::string format_duration(double seconds) {
  if (seconds < 9.95) return fmt::format("{:.1f}s", std::max(seconds, 0.0));
  const auto whole = static_cast<std::uint64_t>(std::llround(seconds));
  if (whole < 60) return fmt::format("{}s", whole);
  const std::uint64_t minutes = whole / 60;
  if (minutes < 60) return fmt::format("{}m{:02}s", minutes, whole % 60);
  const std::uint64_t hours = minutes / 60;
  if (hours < 24) return fmt::format("{}h{:02}m", hours, minutes % 60);
  return fmt::format("{}d{:02}h", hours / 24, hours % 24);
}

std::string format_latency(std::uint64_t ns) {
  if (ns == 0) return "-";
  const double us = static_cast<double>(ns) / 1e3;
  if (us < 999.5) return three_digits(us) + "us";
  if (us < 999.5e3) return three_digits(us / 1e3) + "ms";
  return three_digits(us / 1e6) + "s";
}

}  // namespace baton
