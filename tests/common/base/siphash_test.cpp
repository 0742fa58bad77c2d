#include "common/base/siphash.h"

#include <gtest/gtest.h>

#include <string>

namespace baton {
namespace {

constexpr SipKey kKey{0x0706050403020100U, 0x0f0e0d0c0b0a0908U};

std::string counting(std::size_t bytes) {
  std::string text;
  for (std::size_t i = 0; i < bytes; ++i) text += static_cast<char>(i);
  return text;
}

// The vectors of the paper's reference implementation.
TEST(SipHash, HashesAsItsAuthorsSay) {
  EXPECT_EQ(siphash(kKey, ""), 0x726fdb47dd0e0e31U);
  EXPECT_EQ(siphash(kKey, counting(1)), 0x74f839c593dc67fdU);
  EXPECT_EQ(siphash(kKey, counting(7)), 0xab0200f58b01d137U);
  EXPECT_EQ(siphash(kKey, counting(8)), 0x93f5f5799a932462U);
  EXPECT_EQ(siphash(kKey, counting(15)), 0xa129ca6149be45e5U);
  EXPECT_EQ(siphash(kKey, counting(63)), 0x958a324ceb064572U);
}

TEST(SipHash, DependsOnTheKey) {
  EXPECT_NE(siphash(kKey, "a"), siphash({kKey.low + 1, kKey.high}, "a"));
  EXPECT_NE(siphash(kKey, "a"), siphash({kKey.low, kKey.high + 1}, "a"));
}

}  // namespace
}  // namespace baton
