#include "common/http/date.h"

#include <algorithm>
#include <array>
#include <chrono>
#include <cstddef>
#include <iterator>

#include "common/http/chars.h"

namespace baton::http {

namespace {

using std::chrono::day;
using std::chrono::days;
using std::chrono::month;
using std::chrono::seconds;
using std::chrono::sys_days;
using std::chrono::sys_seconds;
using std::chrono::weekday;
using std::chrono::year;
using std::chrono::year_month_day;

// The names that the forms begin with or contain; RFC 9110 5.6.7 makes them case-sensitive. The order
// begins with Sunday, as in chrono.
constexpr std::array<std::string_view, 7> kDays = {"Sunday",   "Monday", "Tuesday", "Wednesday",
                                                   "Thursday", "Friday", "Saturday"};
constexpr std::array<std::string_view, 12> kMonths = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                                      "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
constexpr std::size_t kShortDay = 3;

constexpr std::time_t kFirstSecond = sys_seconds(sys_days(year(0) / 1 / 1)).time_since_epoch().count();
constexpr std::time_t kLastSecond =
    sys_seconds(sys_days(year(10'000) / 1 / 1)).time_since_epoch().count() - 1;

void put_digits(char* out, unsigned value, std::size_t width) {
  for (std::size_t i = width; i-- > 0; value /= 10) out[i] = static_cast<char>('0' + value % 10);
}

// Reads a date from left to right. After the first mismatch every further read fails, too. So a form is
// written as one sequence, with one check at its end.
class Scanner {
 public:
  explicit Scanner(std::string_view text) : rest_(text) {}

  void literal(std::string_view expected) {
    if (!rest_.starts_with(expected)) return fail();
    rest_.remove_prefix(expected.size());
  }

  // Reads exactly `width` digits. With `space_padded` the first may be a space.
  int number(std::size_t width, bool space_padded = false) {
    if (rest_.size() < width) {
      fail();
      return 0;
    }
    int value = 0;
    for (std::size_t i = 0; i < width; ++i) {
      const char byte = rest_[i];
      if (space_padded && i == 0 && byte == ' ') continue;
      if (!is_digit(byte)) {
        fail();
        return 0;
      }
      value = value * 10 + (byte - '0');
    }
    rest_.remove_prefix(width);
    return value;
  }

  month month_name() {
    const auto name = std::ranges::find(kMonths, rest_.substr(0, 3));
    if (name == kMonths.end()) {
      fail();
      return month(0);
    }
    rest_.remove_prefix(3);
    return month(static_cast<unsigned>(std::distance(kMonths.begin(), name)) + 1);
  }

  seconds time_of_day() {
    const int hour = number(2);
    literal(":");
    const int minute = number(2);
    literal(":");
    const int second = number(2);
    if (hour > 23 || minute > 59 || second > 60) fail();  // 60: a leap second
    return std::chrono::hours(hour) + std::chrono::minutes(minute) + seconds(second);
  }

  [[nodiscard]] bool complete() const { return !failed_ && rest_.empty(); }

 private:
  void fail() {
    failed_ = true;
    rest_ = {};
  }

  std::string_view rest_;
  bool failed_ = false;
};

struct Parts {
  year_month_day date;
  seconds time{0};  // of the day
};

std::optional<std::time_t> to_time(const Scanner& scanner, const Parts& parts) {
  if (!scanner.complete() || !parts.date.ok()) return std::nullopt;
  return (sys_days(parts.date) + parts.time).time_since_epoch().count();
}

year_month_day make_date(int year_number, month month_of_year, int day_of_month) {
  return {year(year_number), month_of_year, day(static_cast<unsigned>(day_of_month))};
}

Parts parts_of(std::time_t time) {
  const sys_seconds instant{seconds(std::clamp(time, kFirstSecond, kLastSecond))};
  const sys_days date = std::chrono::floor<days>(instant);
  return {year_month_day(date), instant - date};
}

// The latest year that ends in these two digits and puts the date at most 50 years ahead of `now`
// (RFC 9110 5.6.7).
year full_year(int two_digits, Parts parts, std::time_t now) {
  Parts limit = parts_of(now);
  limit.date = (limit.date.year() + std::chrono::years(50)) / limit.date.month() / limit.date.day();
  const int limit_year = static_cast<int>(limit.date.year());
  const year candidate(limit_year - (limit_year - two_digits) % 100);
  parts.date = candidate / parts.date.month() / parts.date.day();
  const bool too_late = parts.date == limit.date ? parts.time > limit.time : parts.date > limit.date;
  return too_late ? candidate - std::chrono::years(100) : candidate;
}

// "Sun, 06 Nov 1994 08:49:37 GMT", from the day on.
std::optional<std::time_t> parse_imf(Scanner scanner) {
  const int day_of_month = scanner.number(2);
  scanner.literal(" ");
  const month month_of_year = scanner.month_name();
  scanner.literal(" ");
  const int year_number = scanner.number(4);
  scanner.literal(" ");
  const seconds time = scanner.time_of_day();
  scanner.literal(" GMT");
  return to_time(scanner, {make_date(year_number, month_of_year, day_of_month), time});
}

// "Sunday, 06-Nov-94 08:49:37 GMT", from the day on.
std::optional<std::time_t> parse_rfc850(Scanner scanner, std::time_t now) {
  const int day_of_month = scanner.number(2);
  scanner.literal("-");
  const month month_of_year = scanner.month_name();
  scanner.literal("-");
  const int two_digits = scanner.number(2);
  scanner.literal(" ");
  const seconds time = scanner.time_of_day();
  scanner.literal(" GMT");
  Parts parts{make_date(two_digits, month_of_year, day_of_month), time};
  parts.date = full_year(two_digits, parts, now) / parts.date.month() / parts.date.day();
  return to_time(scanner, parts);
}

// "Sun Nov  6 08:49:37 1994", from the month on.
std::optional<std::time_t> parse_asctime(Scanner scanner) {
  const month month_of_year = scanner.month_name();
  scanner.literal(" ");
  const int day_of_month = scanner.number(2, true);
  scanner.literal(" ");
  const seconds time = scanner.time_of_day();
  scanner.literal(" ");
  const int year_number = scanner.number(4);
  return to_time(scanner, {make_date(year_number, month_of_year, day_of_month), time});
}

}  // namespace

void format_date(std::time_t time, std::span<char, kDateLength> out) {
  const Parts parts = parts_of(time);
  const std::chrono::hh_mm_ss clock(parts.time);
  const weekday day_of_week{sys_days(parts.date)};
  const unsigned month_number = static_cast<unsigned>(parts.date.month());

  constexpr std::string_view kForm = "ddd, 00 mmm 0000 00:00:00 GMT";
  static_assert(kForm.size() == kDateLength);
  char* const text = out.data();
  kForm.copy(text, kDateLength);
  kDays[day_of_week.c_encoding()].copy(text, kShortDay);
  put_digits(text + 5, static_cast<unsigned>(parts.date.day()), 2);
  kMonths[month_number - 1].copy(text + 8, 3);
  put_digits(text + 12, static_cast<unsigned>(static_cast<int>(parts.date.year())), 4);
  put_digits(text + 17, static_cast<unsigned>(clock.hours().count()), 2);
  put_digits(text + 20, static_cast<unsigned>(clock.minutes().count()), 2);
  put_digits(text + 23, static_cast<unsigned>(clock.seconds().count()), 2);
}

std::optional<std::time_t> parse_date(std::string_view text, std::time_t now) {
  const auto name = std::ranges::find_if(
      kDays, [text](std::string_view day_name) { return text.starts_with(day_name.substr(0, kShortDay)); });
  if (name == kDays.end()) return std::nullopt;
  // What follows the day's name tells the three forms apart. The long name is tried first, because it
  // begins with the short one.
  const bool is_long = text.starts_with(*name);
  text.remove_prefix(is_long ? name->size() : kShortDay);
  if (text.starts_with(", ")) {
    text.remove_prefix(2);
    return is_long ? parse_rfc850(Scanner(text), now) : parse_imf(Scanner(text));
  }
  if (is_long || !text.starts_with(' ')) return std::nullopt;
  return parse_asctime(Scanner(text.substr(1)));
}

}  // namespace baton::http
