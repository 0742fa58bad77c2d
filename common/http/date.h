// HTTP dates (RFC 9110 5.6.7). They do not depend on the process's locale or time zone.
#pragma once

#include <cstddef>
#include <ctime>
#include <optional>
#include <span>
#include <string_view>

namespace baton::http {

constexpr std::size_t kDateLength = 29;  // "Sun, 06 Nov 1994 08:49:37 GMT"

// Writes the IMF-fixdate of `seconds` since 1970, without a NUL. The form has four digits for the year, so
// a time outside the years 0 to 9999 is written as the nearest one inside.
void format_date(std::time_t seconds, std::span<char, kDateLength> out);

// Reads the IMF-fixdate, RFC 850 and asctime forms. Returns nothing for anything else, impossible calendar
// dates included. The day must have a valid name, but the name need not fit the date. Second 60 is read as
// the second after 59. A two-digit year that would lie more than 50 years after `now` is read as the past
// year with these digits.
std::optional<std::time_t> parse_date(std::string_view text, std::time_t now);

}  // namespace baton::http
