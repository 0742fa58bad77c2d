#include "common/http/date.h"

#include <gtest/gtest.h>

#include <array>
#include <ctime>
#include <limits>
#include <random>
#include <string>

namespace baton::http {
namespace {

constexpr std::time_t kNow = 1'767'225'600;  // 2026-01-01 00:00:00

std::string format(std::time_t time) {
  std::array<char, kDateLength> text{};
  format_date(time, text);
  return {text.data(), text.size()};
}

std::string format_by_libc(std::time_t time) {
  std::tm parts = {};
  gmtime_r(&time, &parts);
  std::array<char, 64> text{};
  return {text.data(), std::strftime(text.data(), text.size(), "%a, %d %b %Y %H:%M:%S GMT", &parts)};
}

std::time_t utc(int year, int month, int day, int hour = 0, int minute = 0, int second = 0) {
  std::tm parts = {};
  parts.tm_year = year - 1900;
  parts.tm_mon = month - 1;
  parts.tm_mday = day;
  parts.tm_hour = hour;
  parts.tm_min = minute;
  parts.tm_sec = second;
  return timegm(&parts);
}

TEST(FormatDate, WritesTheExampleOfTheStandard) {
  EXPECT_EQ(format(784111777), "Sun, 06 Nov 1994 08:49:37 GMT");
}

TEST(FormatDate, ClampsToYearsOfFourDigits) {
  EXPECT_EQ(format(std::numeric_limits<std::time_t>::max()), "Fri, 31 Dec 9999 23:59:59 GMT");
  EXPECT_EQ(format(std::numeric_limits<std::time_t>::min()), "Sat, 01 Jan 0000 00:00:00 GMT");
}

TEST(Date, AgreesWithTheLibraryOnEveryDayFrom1968To2104) {
  for (std::time_t day = utc(1968, 1, 1); day < utc(2104, 12, 31); day += 86'400) {
    for (const std::time_t time : {day, day + 43'210, day + 86'399}) {
      const std::string text = format(time);
      ASSERT_EQ(text, format_by_libc(time));
      ASSERT_EQ(parse_date(text, kNow), time) << text;
    }
  }
}

TEST(Date, AgreesWithTheLibraryAtRandomTimes) {
  std::mt19937_64 random(20260101);
  std::uniform_int_distribution<std::time_t> times(utc(1000, 1, 1), utc(9999, 12, 31, 23, 59, 59));
  for (int i = 0; i < 100'000; ++i) {
    const std::time_t time = times(random);
    const std::string text = format(time);
    ASSERT_EQ(text, format_by_libc(time));
    ASSERT_EQ(parse_date(text, kNow), time) << text;
  }
}

TEST(ParseDate, ReadsAllThreeForms) {
  struct Case {
    const char* text;
    std::time_t expected;
  };
  const Case cases[] = {
      {"Sun, 06 Nov 1994 08:49:37 GMT", 784111777},
      {"Sunday, 06-Nov-94 08:49:37 GMT", 784111777},
      {"Sun Nov  6 08:49:37 1994", 784111777},
      {"Wed Nov 16 08:49:37 1994", utc(1994, 11, 16, 8, 49, 37)},
      {"Wed Nov 06 08:49:37 1994", utc(1994, 11, 6, 8, 49, 37)},
      {"Thu, 01 Jan 1970 00:00:00 GMT", 0},
      {"Wed, 31 Dec 1969 23:59:59 GMT", -1},
      {"Tue, 29 Feb 2000 12:00:00 GMT", utc(2000, 2, 29, 12)},
      {"Thu, 29 Feb 2024 12:00:00 GMT", utc(2024, 2, 29, 12)},
      {"Tue, 19 Jan 2038 03:14:08 GMT", 2'147'483'648},
      {"Fri, 01 Jan 2100 00:00:00 GMT", utc(2100, 1, 1)},
      {"Sat, 31 Dec 2016 23:59:60 GMT", utc(2017, 1, 1)},  // a leap second
      {"Mon, 06 Nov 1994 08:49:37 GMT", 784111777},        // a Sunday in truth
      {"Thursday, 29-Feb-24 00:00:00 GMT", utc(2024, 2, 29)},
  };
  for (const Case& c : cases) EXPECT_EQ(parse_date(c.text, kNow), c.expected) << c.text;
}

TEST(ParseDate, RefusesEverythingElse) {
  const char* const cases[] = {
      "",
      " ",
      "0",
      "784111777",
      "Sun",
      "Sun,",
      "Sun, ",
      "Sunday, ",
      "Sun, 06 Nov 1994 08:49:37",
      "Sun, 06 Nov 1994 08:49:37 UTC",
      "Sun, 06 Nov 1994 08:49:37 gmt",
      "Sun, 06 Nov 1994 08:49:37 GMT ",
      " Sun, 06 Nov 1994 08:49:37 GMT",
      "Sun, 06 Nov 1994 08:49:37 GMT, Sun, 06 Nov 1994 08:49:37 GMT",
      "sun, 06 Nov 1994 08:49:37 GMT",
      "Son, 06 Nov 1994 08:49:37 GMT",
      "Sun, 06 nov 1994 08:49:37 GMT",
      "Sun, 06 Nox 1994 08:49:37 GMT",
      "Sun, 6 Nov 1994 08:49:37 GMT",
      "Sun,  6 Nov 1994 08:49:37 GMT",
      "Sun, 06 Nov 94 08:49:37 GMT",
      "Sun, 06-Nov-1994 08:49:37 GMT",
      "Sun, 06 Nov 1994 8:49:37 GMT",
      "Sun, 06 Nov 1994 24:00:00 GMT",
      "Sun, 06 Nov 1994 08:60:37 GMT",
      "Sun, 06 Nov 1994 08:49:61 GMT",
      "Sun, 06 Nov 1994 08:49:-7 GMT",
      "Sun, 06 Nov +994 08:49:37 GMT",
      "Sun, 00 Nov 1994 08:49:37 GMT",
      "Sun, 31 Nov 1994 08:49:37 GMT",
      "Sun, 32 Dec 1994 08:49:37 GMT",
      "Wed, 29 Feb 2023 08:49:37 GMT",
      "Mon, 29 Feb 2100 08:49:37 GMT",
      "Thu, 29 Feb 1900 08:49:37 GMT",
      "Sun, 06-Nov-94 08:49:37 GMT",
      "Sunday, 06 Nov 1994 08:49:37 GMT",
      "Sunday, 06-Nov-1994 08:49:37 GMT",
      "Wednesday, 29-Feb-23 08:49:37 GMT",
      "Sunday Nov  6 08:49:37 1994",
      "Sun Nov 6 08:49:37 1994",
      "Sun Nov  6 08:49:37 1994 GMT",
      "Sun Nov   08:49:37 1994",
      "Sun Nov  0 08:49:37 1994",
  };
  for (const char* const text : cases) EXPECT_FALSE(parse_date(text, kNow)) << text;
  EXPECT_FALSE(parse_date(std::string_view("Sun, 06 Nov 1994 08:49:37 GM\0", 29), kNow));
}

TEST(ParseDate, RefusesEveryPrefix) {
  for (const std::string_view whole :
       {"Sun, 06 Nov 1994 08:49:37 GMT", "Sunday, 06-Nov-94 08:49:37 GMT", "Sun Nov  6 08:49:37 1994"}) {
    for (std::size_t length = 0; length < whole.size(); ++length) {
      EXPECT_FALSE(parse_date(whole.substr(0, length), kNow)) << whole.substr(0, length);
    }
  }
}

TEST(ParseDate, PutsTwoDigitYearsAtMostFiftyYearsAhead) {
  struct Case {
    std::time_t now;
    const char* text;
    std::time_t expected;
  };
  const Case cases[] = {
      {utc(2026, 6, 15, 12), "Monday, 01-Jan-26 00:00:00 GMT", utc(2026, 1, 1)},
      {utc(2026, 6, 15, 12), "Monday, 31-Dec-75 00:00:00 GMT", utc(2075, 12, 31)},
      {utc(2026, 6, 15, 12), "Monday, 15-Jun-76 12:00:00 GMT", utc(2076, 6, 15, 12)},
      {utc(2026, 6, 15, 12), "Monday, 15-Jun-76 12:00:01 GMT", utc(1976, 6, 15, 12, 0, 1)},
      {utc(2026, 6, 15, 12), "Monday, 01-Jan-77 00:00:00 GMT", utc(1977, 1, 1)},
      {utc(2026, 6, 15, 12), "Monday, 01-Jan-99 00:00:00 GMT", utc(1999, 1, 1)},
      {utc(1999, 12, 31), "Monday, 01-Jan-05 00:00:00 GMT", utc(2005, 1, 1)},
      {utc(1970, 1, 1), "Monday, 01-Jan-70 00:00:00 GMT", utc(1970, 1, 1)},
      {utc(2024, 2, 29), "Monday, 28-Feb-74 00:00:00 GMT", utc(2074, 2, 28)},
      {utc(2060, 1, 1), "Monday, 29-Feb-00 00:00:00 GMT", 0},  // 2100 is no leap year
  };
  for (const Case& c : cases) {
    const std::optional<std::time_t> time = parse_date(c.text, c.now);
    if (c.expected == 0 && c.now != 0) {
      EXPECT_FALSE(time) << c.text;
    } else {
      EXPECT_EQ(time, c.expected) << c.text;
    }
  }
}

}  // namespace
}  // namespace baton::http
