// Chunked bodies for modules, in very many chunks.
#include <gtest/gtest.h>
#include <signal.h>

#include "tests/support/crash_points.h"
#include "tests/support/observe.h"
#include "tests/support/wait.h"
#include "tests/survival/behaviours.h"

namespace baton::test {
namespace {

constexpr const char* kHead = "PUT /module/echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n";

std::string repeated(const std::string& text, int times) {
  std::string all;
  for (int i = 0; i < times; ++i) all += text;
  return all;
}

class Chunks : public ::testing::Test {
 protected:
  SurvivalSite site_;
  CrashPoints points_{site_.folder()};
  Server server_{site_.folder(), site_.config()};
};

TEST_F(Chunks, ThatArriveTogetherAreWrittenTogether) {
  constexpr int kChunks = 100'000;
  points_.watch();
  Client client = server_.connect();
  client.send(kHead);
  ASSERT_TRUE(wait_until([&] { return count_armed(server_, Phase::kBody) == 1; }));
  EXPECT_TRUE(client.exchange(repeated("2\r\nab\r\n", kChunks) + "0\r\n\r\n").body ==
              repeated("ab", kChunks));
  EXPECT_GT(points_.passes("chunks-spooled"), 0U);
  EXPECT_LT(points_.passes("chunks-spooled"), kChunks / 20U);
}

// What has been wasted so far is not known to any one worker.
TEST_F(Chunks, TheirFramingIsCountedAcrossTheDeathsOfWorkers) {
  Client client = server_.connect();
  client.send(kHead);
  ASSERT_TRUE(wait_until([&] { return count_armed(server_, Phase::kBody) == 1; }));
  std::uint32_t deaths = 0;
  const char* const labels[] = {"chunks-spooled", "chunk-noted", "chunk-taken"};
  while (!client.readable_within(std::chrono::milliseconds(0))) {
    ASSERT_LT(deaths, 10U) << "six times more than may be";
    points_.kill_at(labels[deaths % 3], SIGKILL);
    client.send(repeated("1\r\nx\r\n", 4'000));
    ++deaths;
    ASSERT_TRUE(wait_until([&] {
      return (points_.hits() == 1 && count_armed(server_, Phase::kBody) == 1) ||
             client.readable_within(std::chrono::milliseconds(0));
    }));
  }
  EXPECT_GE(deaths, 5U);
  EXPECT_EQ(client.receive().status, 400);
  EXPECT_TRUE(client.closed());
}

}  // namespace
}  // namespace baton::test
