// Workers that die before they are ready.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>

#include <algorithm>
#include <thread>

#include "tests/support/crash_points.h"
#include "tests/support/observe.h"
#include "tests/support/server.h"
#include "tests/support/wait.h"

namespace baton::test {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

constexpr std::uint32_t kEver = 1'000'000;

std::string config(int workers) {
  return "[server]\nworkers = " + std::to_string(workers) +
         "\n[[site]]\n[[site.route]]\npath = \"/\"\nrespond = { body = \"x\" }\n";
}

class CrashLoopTest : public testing::Test {
 protected:
  static std::vector<nlohmann::json> failing(const Server& server) {
    std::vector<nlohmann::json> found;
    const nlohmann::json workers = nlohmann::json::parse(server.ctl({"workers", "--json"}).out);
    for (const auto& worker : workers) {
      if (worker["state"] == "failing") found.push_back(worker);
    }
    return found;
  }
  static bool failing(const Server& server, std::size_t count, std::uint32_t times) {
    return wait_until([&] {
      const auto found = failing(server);
      return found.size() == count &&
             std::all_of(found.begin(), found.end(), [&](const auto& w) { return w["failures"] >= times; });
    });
  }

  TempDir folder_;
  CrashPoints points_{folder_};
};

TEST_F(CrashLoopTest, TheOthersServeWhileOneIsTriedAgainAndAgain) {
  const Server server(folder_, config(2));
  Client client = server.connect();
  EXPECT_EQ(client.get("/").body, "x");
  points_.kill_at("worker-start", SIGKILL, kEver);
  ::kill(server.workers().front(), SIGKILL);
  ASSERT_TRUE(failing(server, 1, 3)) << server.log();
  const nlohmann::json worker = failing(server).front();
  EXPECT_TRUE(worker["pid"].is_null());
  EXPECT_EQ(worker["last_death"], "killed by signal 9 (SIGKILL)");
  EXPECT_GE(worker["next_try_s"], 0);
  EXPECT_LE(worker["next_try_s"], 10);
  EXPECT_THAT(server.ctl({"workers"}).out,
              ::testing::ContainsRegex("failing .* next try in .* failure: killed"));
  // Between two tries, that is.
  EXPECT_TRUE(wait_until([&] {
    const nlohmann::json totals = stats(server)["totals"];
    return totals["workers"] == 1 && totals["failing"] == 1;
  }));
  EXPECT_EQ(client.get("/").body, "x");
  EXPECT_EQ(server.connect().get("/").body, "x");
  points_.disarm();
  EXPECT_TRUE(wait_until([&] { return server.workers().size() == 2; }));
  EXPECT_TRUE(failing(server).empty());
  EXPECT_TRUE(log_has(server, "failed tries"));
}

TEST_F(CrashLoopTest, WhenNobodyServesClientsWaitAndTheMasterKeepsTrying) {
  const Server server(folder_, config(2));
  Client client = server.connect();
  EXPECT_EQ(client.get("/").body, "x");
  points_.kill_at("worker-start", SIGKILL, kEver);
  for (const pid_t worker : server.workers()) ::kill(worker, SIGKILL);
  ASSERT_TRUE(failing(server, 2, 2));
  EXPECT_TRUE(log_has(server, "no worker serves: "));
  client.send("GET / HTTP/1.1\r\nHost: x\r\n\r\n");
  Client newcomer = server.connect();
  newcomer.send("GET / HTTP/1.1\r\nHost: x\r\n\r\n");
  points_.disarm();
  EXPECT_EQ(client.receive().body, "x");
  EXPECT_EQ(newcomer.receive().body, "x");
}

TEST_F(CrashLoopTest, AtTheFirstStartServiceBeginsWithThoseThatCan) {
  points_.kill_at("worker-start", SIGKILL, kEver, 1);
  const Server server(folder_, config(3));
  EXPECT_TRUE(log_has(server, "ready: 1 workers"));
  EXPECT_EQ(server.connect().get("/").body, "x");
  points_.disarm();
  EXPECT_TRUE(wait_until([&] { return server.workers().size() == 3; }));
}

TEST_F(CrashLoopTest, AtTheFirstStartTheMasterDoesNotGiveUp) {
  points_.kill_at("worker-start", SIGKILL, 6);
  Server server(folder_, config(2));  // waits until it serves
  EXPECT_EQ(server.connect().get("/").body, "x");
  EXPECT_TRUE(log_has(server, "no worker serves: worker "));
  EXPECT_EQ(server.stop(), 0);
}

TEST_F(CrashLoopTest, AReloadIsAllOrNothing) {
  const Server server(folder_, config(2));
  const std::vector<pid_t> before = server.workers();
  points_.kill_at("worker-start", SIGKILL, 1, 1);
  const Finished reload = server.reload(config(3));
  EXPECT_EQ(reload.status, 1);
  EXPECT_THAT(reload.err, HasSubstr("killed by signal 9 (SIGKILL) before it was ready"));
  EXPECT_EQ(server.workers(), before);
}

TEST_F(CrashLoopTest, AReloadReplacesThoseThatAreFailing) {
  const Server server(folder_, config(2));
  points_.kill_at("worker-start", SIGKILL, kEver);
  for (const pid_t worker : server.workers()) ::kill(worker, SIGKILL);
  ASSERT_TRUE(failing(server, 2, 1));
  points_.disarm();
  EXPECT_EQ(server.reload(config(1)).status, 0) << server.log();
  EXPECT_TRUE(wait_until([&] { return server.workers().size() == 1; }));
  EXPECT_TRUE(failing(server).empty());
  EXPECT_EQ(server.connect().get("/").body, "x");
}

// One that was ready costs a clone, however often it dies.
TEST_F(CrashLoopTest, AWorkerThatWasReadyIsReplacedAtOnceHoweverOftenItDies) {
  const Server server(folder_, config(1));
  for (int i = 0; i < 30; ++i) {
    ASSERT_TRUE(wait_until([&] { return server.workers().size() == 1; }));
    ::kill(server.workers().front(), SIGKILL);
    ASSERT_EQ(server.connect().get("/").body, "x");
  }
  EXPECT_THAT(server.log(), Not(HasSubstr("no worker serves")));
}

}  // namespace
}  // namespace baton::test
