// The scans by words against the plain loop: the same stop for every byte, at every place, before every other
// byte.
#include "common/http/chars.h"

#include <gtest/gtest.h>

#include <string>

namespace baton::http {
namespace {

constexpr std::size_t kSize = 19;  // two words and some bytes

void expect_same_stops(const std::string& text) {
  const char* const begin = text.data();
  const char* const end = begin + text.size();
  ASSERT_EQ(skip_value(begin, end), skip_chars(begin, end, kValueChar));
  ASSERT_EQ(skip_target(begin, end), skip_chars(begin, end, kTargetChar));
}

TEST(Scans, StopWhereThePlainLoopStops) {
  for (std::size_t at = 0; at + 1 < kSize; ++at) {
    for (int pair = 0; pair < 65'536; ++pair) {
      std::string text(kSize, 'a');
      text[at] = static_cast<char>(pair >> 8);
      text[at + 1] = static_cast<char>(pair & 255);
      ASSERT_NO_FATAL_FAILURE(expect_same_stops(text)) << "bytes " << pair << " at " << at;
    }
  }
}

TEST(Scans, GoOverTabsOneAfterTheOther) {
  for (std::size_t size = 0; size < 40; ++size) {
    expect_same_stops(std::string(size, '\t') + "\r");
    expect_same_stops(std::string(size, 'a') + "\t\x01");
  }
}

TEST(Scans, StayInTheirBytes) {
  const std::string text(kSize, 'a');
  for (std::size_t size = 0; size <= kSize; ++size) {
    EXPECT_EQ(skip_value(text.data(), text.data() + size), text.data() + size);
    EXPECT_EQ(skip_target(text.data(), text.data() + size), text.data() + size);
  }
}

}  // namespace
}  // namespace baton::http
