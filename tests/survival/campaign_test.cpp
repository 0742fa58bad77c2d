// The short form of `make survive`.
#include <gtest/gtest.h>

#include <array>
#include <cstdio>
#include <filesystem>
#include <string>

#include "tests/support/server.h"

namespace baton::test {
namespace {

// Not run_program(), which waits for a minute: the campaign itself ends after two for each of its parts, however
// busy the machine is.
TEST(Campaign, NoClientNoticesTheDeathOfAWorker) {
  const auto folder = std::filesystem::path(baton_binary()).parent_path();
  FILE* const campaign = ::popen(((folder / "survive").string() + " --short 2>&1").c_str(), "r");
  ASSERT_NE(campaign, nullptr);
  std::string said;
  std::array<char, 4096> part{};
  for (std::size_t n = 0; (n = std::fread(part.data(), 1, part.size(), campaign)) > 0;)
    said.append(part.data(), n);
  EXPECT_EQ(::pclose(campaign), 0) << said;
}

}  // namespace
}  // namespace baton::test
