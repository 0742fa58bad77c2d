#include "common/base/units.h"

#include <gtest/gtest.h>

#include <cstdint>

#include "common/base/printable.h"

namespace baton {
namespace {

TEST(FormatBytes, StaysWithinFourCharactersAndAUnit) {
  EXPECT_EQ(format_bytes(0), "0B");
  EXPECT_EQ(format_bytes(999), "999B");
  EXPECT_EQ(format_bytes(1000), "1.0K");
  EXPECT_EQ(format_bytes(1024), "1.0K");
  EXPECT_EQ(format_bytes(1536), "1.5K");
  EXPECT_EQ(format_bytes(10 * 1024 - 1), "10K");
  EXPECT_EQ(format_bytes(999 * 1024), "999K");
  EXPECT_EQ(format_bytes(1000 * 1024), "1.0M");
  EXPECT_EQ(format_bytes(std::uint64_t{300} << 20), "300M");
  EXPECT_EQ(format_bytes(std::uint64_t{5} << 40), "5.0T");
  EXPECT_EQ(format_bytes(UINT64_MAX), "16E");
}

TEST(FormatCount, GroupsByThree) {
  EXPECT_EQ(format_count(0), "0");
  EXPECT_EQ(format_count(999), "999");
  EXPECT_EQ(format_count(1000), "1,000");
  EXPECT_EQ(format_count(123456), "123,456");
  EXPECT_EQ(format_count(1234567), "1,234,567");
  EXPECT_EQ(format_count(UINT64_MAX), "18,446,744,073,709,551,615");
}

TEST(FormatRate, HasADigitAfterThePointWhereItMatters) {
  EXPECT_EQ(format_rate(0), "0");
  EXPECT_EQ(format_rate(0.04), "0");
  EXPECT_EQ(format_rate(0.4), "0.4");
  EXPECT_EQ(format_rate(12.34), "12.3");
  EXPECT_EQ(format_rate(99.96), "100");
  EXPECT_EQ(format_rate(1234.6), "1,235");
}

TEST(FormatDuration, ShowsTheTwoLargestUnits) {
  EXPECT_EQ(format_duration(-1), "0.0s");
  EXPECT_EQ(format_duration(0.44), "0.4s");
  EXPECT_EQ(format_duration(9.96), "10s");
  EXPECT_EQ(format_duration(59.4), "59s");
  EXPECT_EQ(format_duration(59.6), "1m00s");
  EXPECT_EQ(format_duration(185), "3m05s");
  EXPECT_EQ(format_duration(3600), "1h00m");
  EXPECT_EQ(format_duration(7999), "2h13m");
  EXPECT_EQ(format_duration(5 * 86400 + 4 * 3600), "5d04h");
}

TEST(FormatLatency, HasThreeDigitsAndTheUnitThatFits) {
  EXPECT_EQ(format_latency(0), "-");
  EXPECT_EQ(format_latency(1024), "1.02us");
  EXPECT_EQ(format_latency(950'000), "950us");
  EXPECT_EQ(format_latency(999'600), "1.00ms");
  EXPECT_EQ(format_latency(12'520'000), "12.5ms");
  EXPECT_EQ(format_latency(999'900'000), "1.00s");
  EXPECT_EQ(format_latency(2'100'000'000), "2.10s");
}

TEST(Printable, EscapesWhateverCouldSteerATerminal) {
  EXPECT_EQ(printable("GET /a?b=c HTTP/1.1"), "GET /a?b=c HTTP/1.1");
  EXPECT_EQ(printable("\x1b[2J"), "\\x1b[2J");
  EXPECT_EQ(printable(std::string_view("\0\r\n\x7f", 4)), "\\x00\\x0d\\x0a\\x7f");
  EXPECT_EQ(printable("\xc2\x9b\xff"), "\\xc2\\x9b\\xff");
  EXPECT_EQ(printable_start("12345", 5), "12345");
  EXPECT_EQ(printable_start("12345\n", 5), "12345... (6 bytes)");
}

}  // namespace
}  // namespace baton
