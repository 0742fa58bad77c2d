// A worker that is too long in one request.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>

#include <algorithm>

#include "common/base/clock.h"
#include "tests/support/crash_points.h"
#include "tests/support/observe.h"
#include "tests/support/server.h"
#include "tests/support/wait.h"

namespace baton::test {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

std::string config(const std::string& handler) {
  return "[server]\nworkers = 2\n[timeouts]\nkeep_alive = \"1s\"\nhandler = \"" + handler +
         "\"\n[[site]]\n[[site.route]]\npath = \"/\"\nrespond = { body = \"x\" }\n"
         "[[site.route]]\npath = \"/deep/\"\nrespond = { body = \"y\" }\n";
}

class WatchdogTest : public testing::Test {
 protected:
  // A request is in the hands of a worker that waits there; that worker's pid.
  pid_t held() {
    EXPECT_TRUE(wait_until([this] { return points_.hits() == 1; }));
    return points_.last_pid();
  }

  TempDir folder_;
  CrashPoints points_{folder_};
};

TEST_F(WatchdogTest, AWorkerTooLongInARequestIsEndedAndItsClientGets504) {
  const Server server(folder_, config("300ms"));
  Client neighbour = server.connect();
  EXPECT_EQ(neighbour.get("/").body, "x");
  points_.hang_at("response-composed");
  Client client = server.connect();
  client.send("GET /deep/thought HTTP/1.1\r\nHost: x\r\n\r\n");
  const pid_t victim = held();
  EXPECT_EQ(neighbour.get("/").body, "x") << "everyone else notices nothing";
  EXPECT_EQ(client.receive().status, 504);
  EXPECT_TRUE(gone(victim));
  EXPECT_EQ(client.get("/").body, "x") << "on a live connection";
  EXPECT_EQ(neighbour.get("/").body, "x");
  EXPECT_TRUE(log_has(server, "(pid " + std::to_string(victim) +
                                  ") killed by signal 6 (SIGABRT) of the watchdog, more than 0.3s in one"));
  EXPECT_THAT(server.log(), HasSubstr("\"GET /deep/thought HTTP/1.1\", route /deep/, client 127.0.0.1:"));
  EXPECT_TRUE(log_has(server, "(pid " + std::to_string(victim) + ") crashed at #0"));
}

// Stopped, it cannot take SIGABRT.
TEST_F(WatchdogTest, AWorkerThatDoesNotTakeSigabrtIsKilled) {
  const Server server(folder_, config("300ms"));
  points_.stop_at("handler-begun");
  Client client = server.connect();
  client.send("GET / HTTP/1.1\r\nHost: x\r\n\r\n");
  const pid_t victim = held();
  EXPECT_EQ(client.receive().status, 504);
  EXPECT_TRUE(gone(victim));
  EXPECT_TRUE(log_has(server, "killed by signal 9 (SIGKILL) of the watchdog"));
}

TEST_F(WatchdogTest, AWorkerThatHangsWhileItAcceptsOrClosesIsEndedToo) {
  for (const char* label : {"after-accept", "after-free-before-close"}) {
    const TempDir folder;
    const Server server(folder, config("300ms"));
    points_.hang_at(label);
    const Client client = server.connect();
    client.shutdown_write();  // which has the worker close it
    const pid_t victim = held();
    EXPECT_TRUE(wait_until([victim] { return gone(victim); })) << label;
    EXPECT_EQ(server.connect().get("/").body, "x");
    EXPECT_TRUE(log_has(server, "of the watchdog"));
  }
}

// A master that has not looked for long must not conclude from the clock that its workers do not answer.
TEST_F(WatchdogTest, AMasterThatWasStoppedEndsNobody) {
  const Server server(folder_, config("2s"));
  Client idle = server.connect();
  EXPECT_EQ(idle.get("/").body, "x");
  points_.hang_at("handler-begun");
  Client client = server.connect();
  client.send("GET / HTTP/1.1\r\nHost: x\r\n\r\n");
  const pid_t worker = held();
  {
    const Stopped master(server.pid());
    const std::uint64_t since = entry_of(server, worker).flight.since_ns.load();
    ASSERT_TRUE(wait_until([since] { return monotonic_ns() > since + 4'000'000'000; }));
  }
  // By the sweep of the master's first tick; the watchdog's look comes with it.
  EXPECT_TRUE(idle.closed());
  points_.release();
  EXPECT_EQ(client.receive().body, "x");
  EXPECT_FALSE(gone(worker));
  EXPECT_THAT(server.log(), Not(HasSubstr("watchdog")));
}

TEST_F(WatchdogTest, EachRequestOfABatchHasItsOwnTime) {
  const Server server(folder_, config("1h"));
  points_.hang_at("handler-begun", 1);
  Client client = server.connect();
  client.send("GET / HTTP/1.1\r\nHost: x\r\n\r\nGET /deep/ HTTP/1.1\r\nHost: x\r\n\r\n");
  const pid_t worker = held();
  const FlightRecord& flight = entry_of(server, worker).flight;
  EXPECT_EQ(flight.limit_ms.load(), 3'600'000U);
  EXPECT_EQ(std::string(flight.request_line, flight.request_length.load()), "GET /deep/ HTTP/1.1");
  points_.release();
  EXPECT_EQ(client.receive().body, "x");
  EXPECT_EQ(client.receive().body, "y");
}

}  // namespace
}  // namespace baton::test
