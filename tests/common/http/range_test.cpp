#include "common/http/range.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>
#include <string>
#include <utility>
#include <vector>

namespace baton::http {
namespace {

using Kind = RangeSet::Kind;
using Pairs = std::vector<std::pair<std::uint64_t, std::uint64_t>>;  // first, length

Pairs pairs_of(const RangeSet& set) {
  Pairs pairs;
  for (std::size_t i = 0; i < set.count; ++i) pairs.emplace_back(set.ranges[i].first, set.ranges[i].length);
  return pairs;
}

std::string join(const std::vector<std::string>& specs) {
  std::string value = "bytes=";
  for (const std::string& spec : specs) value += spec + ",";
  return value;
}

TEST(ParseRange, ReadsSatisfiableRanges) {
  struct Case {
    const char* value;
    std::uint64_t size;
    Pairs expected;
  };
  const Case cases[] = {
      {"bytes=0-0", 1, {{0, 1}}},
      {"bytes=0-499", 10'000, {{0, 500}}},
      {"bytes=500-999", 10'000, {{500, 500}}},
      {"bytes=9500-", 10'000, {{9500, 500}}},
      {"bytes=-500", 10'000, {{9500, 500}}},
      {"bytes=0-", 10'000, {{0, 10'000}}},
      {"bytes=9999-20000", 10'000, {{9999, 1}}},
      {"bytes=-20000", 10'000, {{0, 10'000}}},
      {"BYTES=1-2", 10, {{1, 2}}},
      {"bytes=0-0,-1", 10'000, {{0, 1}, {9999, 1}}},
      {"bytes= 0-0 ,\t-1 ", 10'000, {{0, 1}, {9999, 1}}},
      {"bytes=,0-0,,-1,", 10'000, {{0, 1}, {9999, 1}}},
      {"bytes=00000000000000000000000001-0002", 10, {{1, 2}}},
      // Those past the end are left out of a set that holds others.
      {"bytes=0-0,10-20,5-5", 10, {{0, 1}, {5, 1}}},
      {"bytes=-0,3-3", 10, {{3, 1}}},
      // Order is kept, and a union stands where its first part stood.
      {"bytes=8-9,0-1", 10, {{8, 2}, {0, 2}}},
      {"bytes=8-9,0-1,7-7", 10, {{7, 3}, {0, 2}}},
      {"bytes=8-8,0-1,4-4,1-5", 10, {{8, 1}, {0, 6}}},
      // Overlapping, touching, contained, equal.
      {"bytes=0-4,3-6", 10, {{0, 7}}},
      {"bytes=0-4,5-6", 10, {{0, 7}}},
      {"bytes=0-4,6-7", 10, {{0, 5}, {6, 2}}},
      {"bytes=5-6,0-4", 10, {{0, 7}}},
      {"bytes=0-9,2-3", 10, {{0, 10}}},
      {"bytes=2-3,2-3", 10, {{2, 2}}},
      {"bytes=0-0,2-2,4-4,1-3", 10, {{0, 5}}},
      {"bytes=-3,0-6", 10, {{0, 10}}},
      // Numbers at and past 64 bits.
      {"bytes=0-18446744073709551615", 10, {{0, 10}}},
      {"bytes=0-18446744073709551616", 10, {{0, 10}}},
      {"bytes=5-99999999999999999999999999999999", 10, {{5, 5}}},
      {"bytes=-99999999999999999999999999999999", 10, {{0, 10}}},
      {"bytes=18446744073709551613-,0-0", 18446744073709551615U, {{18446744073709551613U, 2}, {0, 1}}},
      {"bytes=0-", 18446744073709551615U, {{0, 18446744073709551615U}}},
  };
  for (const Case& c : cases) {
    const RangeSet set = parse_range(c.value, c.size);
    EXPECT_EQ(set.kind, Kind::kRanges) << c.value;
    EXPECT_EQ(pairs_of(set), c.expected) << c.value;
  }
}

TEST(ParseRange, TellsUnsatisfiable) {
  const std::pair<const char*, std::uint64_t> cases[] = {
      {"bytes=10-", 10},
      {"bytes=10-10", 10},
      {"bytes=10-10,11-,99-100", 10},
      {"bytes=-0", 10},
      {"bytes=-0,10-", 10},
      {"bytes=0-0", 0},
      {"bytes=0-", 0},
      {"bytes=-1", 0},
      {"bytes=-0", 0},
      {"bytes=18446744073709551616-", 10},
      {"bytes=99999999999999999999-99999999999999999999", 10},
  };
  for (const auto& [value, size] : cases) {
    const RangeSet set = parse_range(value, size);
    EXPECT_EQ(set.kind, Kind::kUnsatisfiable) << value;
    EXPECT_EQ(set.count, 0U) << value;
  }
}

TEST(ParseRange, IgnoresWhatIsNotAByteRangeSet) {
  const char* const cases[] = {
      "",
      "bytes",
      "bytes=",
      "bytes= ",
      "bytes=,",
      "bytes=-",
      "bytes=--1",
      "bytes=1",
      "bytes=a-b",
      "bytes=1-b",
      "bytes=a-1",
      "bytes=0x1-2",
      "bytes=+1-2",
      "bytes=1-+2",
      "bytes=1--2",
      "bytes=1-2-3",
      "bytes=2-1",
      "bytes=0-0,2-1",
      "bytes=2-1,0-0",
      "bytes=99999999999999999999-5",
      "bytes=1 -2",
      "bytes=1- 2",
      "bytes=1-2 3-4",
      "bytes=1-2;3-4",
      "bytes=\"1-2\"",
      "bytes=0-0,x",
      "bytes =1-2",
      " bytes=1-2",
      "bytes:1-2",
      "byte=1-2",
      "items=0-1",
      "=0-1",
      "0-1",
      "bytes=\xC2\xA0 1-2",
  };
  for (const char* const value : cases) {
    const RangeSet set = parse_range(value, 10);
    EXPECT_EQ(set.kind, Kind::kNone) << value;
    EXPECT_EQ(set.count, 0U) << value;
  }
}

TEST(ParseRange, TakesSixteenRangesAndNoMore) {
  std::vector<std::string> specs;
  for (std::size_t i = 0; i < kMaxRanges; ++i)
    specs.push_back(std::to_string(i * 2) + "-" + std::to_string(i * 2));
  EXPECT_EQ(parse_range(join(specs), 1000).count, kMaxRanges);
  specs.emplace_back("900-");
  EXPECT_EQ(parse_range(join(specs), 1000).kind, Kind::kNone);

  // The limit is on what is asked, also where all of it would coalesce or none could be had.
  EXPECT_EQ(parse_range(join(std::vector<std::string>(kMaxRanges, "0-")), 1000).count, 1U);
  EXPECT_EQ(parse_range(join(std::vector<std::string>(kMaxRanges + 1, "0-")), 1000).kind, Kind::kNone);
  EXPECT_EQ(parse_range(join(std::vector<std::string>(kMaxRanges + 1, "2000-")), 1000).kind, Kind::kNone);
}

// Against a map of the bytes: the ranges cover exactly the bytes asked for, and none overlaps or touches
// another.
TEST(ParseRange, CoversExactlyWhatIsAskedFor) {
  std::mt19937 random(14);
  const auto upto = [&random](std::uint64_t limit) { return random() % (limit + 1); };
  for (int round = 0; round < 50'000; ++round) {
    const std::uint64_t size = 1 + upto(63);
    std::vector<bool> asked(size, false);
    std::vector<std::string> specs;
    for (std::uint64_t i = 0; i <= upto(kMaxRanges - 1); ++i) {
      std::uint64_t first = upto(size + 4);
      std::uint64_t last = first + upto(8);
      switch (upto(2)) {
        case 0: specs.push_back(std::to_string(first) + "-" + std::to_string(last)); break;
        case 1:
          specs.push_back(std::to_string(first) + "-");
          last = size;
          break;
        default:
          specs.push_back("-" + std::to_string(first));
          if (first == 0) continue;
          first = first > size ? 0 : size - first;
          last = size;
      }
      for (std::uint64_t at = first; at <= last && at < size; ++at) asked[at] = true;
    }
    const std::string value = join(specs);
    const RangeSet set = parse_range(value, size);

    std::vector<bool> got(size, false);
    for (std::size_t i = 0; i < set.count; ++i) {
      const ByteRange& range = set.ranges[i];
      ASSERT_GT(range.length, 0U) << value;
      ASSERT_LE(range.first + range.length, size) << value;
      for (std::uint64_t at = range.first; at < range.first + range.length; ++at) {
        ASSERT_FALSE(got[at]) << value;
        got[at] = true;
      }
    }
    ASSERT_EQ(got, asked) << value << " of " << size;
    std::size_t runs = 0;  // as many ranges as there are runs of bytes: none touches another
    for (std::size_t at = 0; at < size; ++at) runs += asked[at] && (at == 0 || !asked[at - 1]) ? 1 : 0;
    ASSERT_EQ(set.count, runs) << value;
    ASSERT_EQ(set.kind, runs > 0 ? Kind::kRanges : Kind::kUnsatisfiable) << value;
  }
}

}  // namespace
}  // namespace baton::http
