// The short form of `make survive`.
#include <gtest/gtest.h>

#include <filesystem>

#include "tests/support/server.h"

namespace baton::test {
namespace {

TEST(Campaign, NoClientNoticesTheDeathOfAWorker) {
  const auto folder = std::filesystem::path(baton_binary()).parent_path();
  const Finished campaign = run_program({(folder / "survive").string(), "--short"});
  EXPECT_EQ(campaign.status, 0) << campaign.out << campaign.err;
}

}  // namespace
}  // namespace baton::test
