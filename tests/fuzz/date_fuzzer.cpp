// Dates: what is read, written and read again is the same time, and what is written agrees with the C
// library.
#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <optional>
#include <string_view>

#include "common/http/date.h"

namespace {

using baton::http::format_date;
using baton::http::kDateLength;
using baton::http::parse_date;

constexpr std::time_t kYear1000 = -30'610'224'000;
constexpr std::time_t kYear10000 = 253'402'300'800;

void check_round_trip(std::time_t time, std::time_t now) {
  std::array<char, kDateLength> text{};
  format_date(time, text);
  const std::string_view view(text.data(), text.size());
  const std::optional<std::time_t> again = parse_date(view, now);
  if (!again) std::abort();
  if (time < kYear1000 || time >= kYear10000) return;  // clamped, or of a year that strftime does not pad
  std::tm parts = {};
  gmtime_r(&time, &parts);
  std::array<char, 64> expected{};
  const std::size_t size =
      std::strftime(expected.data(), expected.size(), "%a, %d %b %Y %H:%M:%S GMT", &parts);
  if (*again != time || view != std::string_view(expected.data(), size)) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t length) {
  std::time_t now = 0;
  const std::size_t prefix = std::min(length, sizeof(now));
  std::memcpy(&now, data, prefix);
  const std::string_view text(reinterpret_cast<const char*>(data) + prefix, length - prefix);
  check_round_trip(now, now);
  check_round_trip(now % kYear10000, now);
  const std::optional<std::time_t> time = parse_date(text, now);
  if (time) check_round_trip(*time, now);
  return 0;
}
