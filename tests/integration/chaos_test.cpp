// The example that does everything a handler should not do: it costs its own response, and nobody else
// anything.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <string>
#include <thread>
#include <vector>

#include "tests/support/example.h"
#include "tests/support/machine.h"
#include "tests/support/observe.h"
#include "tests/support/sanitizers.h"
#include "tests/support/server.h"
#include "tests/support/wait.h"

namespace baton::test {
namespace {

using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;

struct Deed {
  const char* target;
  int status;
  int deaths;  // of workers
};

// What each route comes to. Those that have more to say than a status have a test of their own.
const Deed kDeeds[] = {
    {"/segfault", 500, 1},   {"/abort", 500, 1}, {"/exit", 500, 1},           {"/stack-overflow", 500, 1},
    {"/wild-write", 500, 1}, {"/throw", 500, 0}, {"/throw-anything", 500, 0}, {"/throw?status=418", 418, 0},
    {"/close-fds", 200, 0},  {"/fork", 200, 0},  {"/fork?ms=2000", 200, 0},   {"/leak?mib=1", 200, 0},
    {"/slow?ms=5", 200, 0},  {"/loop", 504, 1},  {"/stop", 504, 1},
};

class Chaos : public testing::Test {
 protected:
  // Deaths of workers, not counting those that retire.
  [[nodiscard]] std::uint64_t deaths() const {
    return stats(server_)["totals"]["restarts"].get<std::uint64_t>();
  }

  SanitizersLeave sanitizers_leave_;
  TempDir folder_;
  Server server_{folder_, example_config("chaos", folder_)};
};

TEST_F(Chaos, EachDeedCostsItsOwnResponseAndTheConnectionGoesOn) {
  Client client = server_.connect();
  std::uint64_t expected = 0;
  for (const Deed& deed : kDeeds) {
    const Response response = client.get(deed.target);
    EXPECT_EQ(response.status, deed.status) << deed.target;
    EXPECT_THAT(response.body, Not(HasSubstr("only the log knows why")));
    expected += static_cast<std::uint64_t>(deed.deaths);
    EXPECT_EQ(client.get("/good").body, "good\n") << deed.target;
    EXPECT_TRUE(wait_until([&] { return deaths() == expected; })) << deed.target << " " << deaths();
  }
  EXPECT_THAT(server_.log(), HasSubstr("only the log knows why"));
  EXPECT_EQ(server_.total(&Counters::accepted), 1U);
}

TEST_F(Chaos, APostThatCrashesIsNotBegunAgain) {
  Client client = server_.connect();
  EXPECT_EQ(client.ask("POST", "/segfault", "", "x").status, 500);
  EXPECT_EQ(client.get("/good").status, 200);
  EXPECT_TRUE(wait_until([&] { return deaths() == 1; }));
}

TEST_F(Chaos, ACrashInAStreamEndsTheConnection) {
  Client client = server_.connect();
  client.send("GET /half HTTP/1.1\r\nHost: x\r\n\r\n");
  const std::string all = client.read_to_end();
  EXPECT_THAT(all, StartsWith("HTTP/1.1 200 OK\r\n"));
  EXPECT_THAT(all, HasSubstr("the first half\n"));
  EXPECT_THAT(all, Not(testing::EndsWith("0\r\n\r\n"))) << "the client would take it for whole";
  EXPECT_EQ(server_.connect().get("/good").status, 200);
}

TEST_F(Chaos, AChildDoesNotHoldTheClient) {
  Client client = server_.connect();
  EXPECT_EQ(client.get("/fork?ms=60000", "Connection: close\r\n").status, 200);
  EXPECT_TRUE(client.closed());
}

TEST_F(Chaos, AWorkerThatLeaksIsReplaced) {
  const std::vector<pid_t> before = server_.workers();
  Client client = server_.connect();
  EXPECT_EQ(client.get("/leak?mib=80").status, 200);
  EXPECT_TRUE(wait_until([&] {
    return client.get("/good").status == 200 &&
           std::any_of(before.begin(), before.end(), [](pid_t p) { return gone(p); });
  }));
  EXPECT_THAT(server_.log(), HasSubstr("worker_memory"));
}

TEST_F(Chaos, APoliteSlowRouteTakesNoMoreWorkersThanItSays) {
  Client slow = server_.connect();
  slow.send("GET /slow-but-polite?ms=60000 HTTP/1.1\r\nHost: x\r\n\r\n");
  ASSERT_TRUE(wait_until([&] {
    const auto& entries = server_.segment().scoreboard();
    return std::any_of(entries.begin(), entries.end(), [](const WorkerEntry& entry) {
      return entry.flight.phase.load() == FlightPhase::kServing;
    });
  }));
  Client other = server_.connect();
  const Response refused = other.get("/slow-but-polite");
  EXPECT_EQ(refused.status, 503);
  EXPECT_TRUE(refused.has("retry-after"));
  EXPECT_EQ(other.get("/good").status, 200);
}

TEST_F(Chaos, SharedMemoryIsProtectedWhereTheCpuCan) {
  const bool can = has(Ability::kProtectionKeys);
  Client client = server_.connect();
  EXPECT_EQ(client.get("/wild-write/shared").status, can ? 500 : 501);
  EXPECT_TRUE(wait_until([&] { return deaths() == (can ? 1U : 0U); }));
  EXPECT_EQ(client.get("/good").body, "good\n");
}

// Asks for /good without pause on one connection, until it is told to stop.
class GoodClient {
 public:
  explicit GoodClient(const Server& server)
      : client_(server.connect()), thread_([this](std::stop_token stop) {
          while (!stop.stop_requested()) {
            try {
              const Response response = client_.get("/good");
              if (response.status != 200 || response.body != "good\n") ++failed_;
              ++asked_;
            } catch (const std::exception&) {
              ++failed_;
              return;
            }
          }
        }) {}

  [[nodiscard]] int failed() const { return failed_; }
  [[nodiscard]] int asked() const { return asked_; }

 private:
  Client client_;
  std::atomic<int> failed_{0};
  std::atomic<int> asked_{0};
  std::jthread thread_;
};

TEST_F(Chaos, TheGoodRouteNeverFailsBesideIt) {
  std::vector<std::unique_ptr<GoodClient>> good;
  for (int i = 0; i < 8; ++i) good.push_back(std::make_unique<GoodClient>(server_));
  // Each deed meets clients that are at it.
  const auto all_go_on = [&] {
    for (const auto& client : good) {
      const int before = client->asked();
      EXPECT_TRUE(wait_until([&] { return client->asked() > before + 1 || client->failed() > 0; }));
    }
  };
  Client bad = server_.connect();
  for (int round = 0; round < 10; ++round) {
    for (const Deed& deed : kDeeds) {
      if (deed.status == 504 && round > 0) continue;  // a second each
      EXPECT_EQ(bad.get(deed.target).status, deed.status) << deed.target;
      all_go_on();
    }
    // Dies at some moment, in the middle of a request that has done nothing wrong: it is begun again.
    const std::uint64_t before = deaths();
    EXPECT_EQ(bad.get("/late-segfault").status, 200);
    EXPECT_TRUE(wait_until([&] { return deaths() > before; }));
    all_go_on();
  }
  for (const auto& client : good) EXPECT_EQ(client->failed(), 0) << client->asked() << " " << server_.log();
}

}  // namespace
}  // namespace baton::test
