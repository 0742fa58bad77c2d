// HTTP dates (RFC 9110 5.6.7).
#pragma once

#include <ctime>
#include <optional>
#include <span>
#include <string_view>

namespace baton::http {

constexpr std::size_t kDateLength = 29;  // "Sun, 06 Nov 1994 08:49:37 GMT"

void format_date(std::time_t seconds, std::span<char, kDateLength> out);

// Reads IMF-fixdate, RFC 850 and asctime forms. Nothing for anything else, impossible calendar dates
// included. A two-digit year more than 50 years ahead of `now` is taken as the past one.
std::optional<std::time_t> parse_date(std::string_view text, std::time_t now);

}  // namespace baton::http
