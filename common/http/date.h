// HTTP dates (RFC 9110 5.6.7). No locale and no time zone of the process has a say in them.
#pragma once

#include <cstddef>
#include <ctime>
#include <optional>
#include <span>
#include <string_view>

namespace baton::http {

constexpr std::size_t kDateLength = 29;  // "Sun, 06 Nov 1994 08:49:37 GMT"

// Writes the IMF-fixdate of `seconds` since 1970, without a NUL. The form has four digits for the year: a
// time outside the years 0 to 9999 is written as the nearest one inside.
void format_date(std::time_t seconds, std::span<char, kDateLength> out);

// Reads IMF-fixdate, RFC 850 and asctime forms. Nothing for anything else, impossible calendar dates
// included. The day's name must be one, but not the right one for the date. Second 60 is read as the second
// after 59. A two-digit year more than 50 years ahead of `now` is taken as the past one.
std::optional<std::time_t> parse_date(std::string_view text, std::time_t now);

}  // namespace baton::http
