// Stopping while a worker does not come to an end with its request; and the master's death at such a moment.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>

#include <algorithm>

#include "tests/support/crash_points.h"
#include "tests/support/observe.h"
#include "tests/support/server.h"
#include "tests/support/wait.h"

namespace baton::test {
namespace {

using ::testing::ContainsRegex;
using ::testing::HasSubstr;

std::string config(const std::string& settings = "", const std::string& address = "127.0.0.1:0") {
  return "[server]\nworkers = 2\n" + settings + "\n[[listen]]\naddress = \"" + address +
         "\"\n[[site]]\n[[site.route]]\npath = \"/\"\nrespond = { body = \"x\" }\n";
}

class StopTest : public testing::Test {
 protected:
  // A request is in the hands of a worker that does not go on with it.
  void hang_in_a_request(const Server& server, Client& client) {
    points_.hang_at("handler-begun");
    client = server.connect();
    client.send("GET /slow HTTP/1.1\r\nHost: x\r\n\r\n");
    ASSERT_TRUE(wait_until([this] { return points_.hits() == 1; }));
  }

  TempDir folder_;
  CrashPoints points_{folder_};
};

TEST_F(StopTest, AtOnceDoesNotWaitForARequestThatHangs) {
  for (const int signal : {SIGINT, SIGQUIT}) {
    const TempDir folder;
    Server server(folder, config());
    Client client{UniqueFd()};
    hang_in_a_request(server, client);
    server.signal(signal);
    EXPECT_EQ(server.wait(), 128 + signal);
    EXPECT_THAT(server.log(), ContainsRegex("SIGKILL.*serving for [0-9.]+s, \"GET /slow HTTP/1.1\""));
    EXPECT_TRUE(client.closed());
  }
}

TEST_F(StopTest, TheDeadlineCutsOffARequestThatHangs) {
  Server server(folder_, config("shutdown_timeout = \"300ms\""));
  Client client{UniqueFd()};
  hang_in_a_request(server, client);
  EXPECT_EQ(server.stop(), 124);
  EXPECT_THAT(server.log(), ContainsRegex("SIGKILL.*\"GET /slow HTTP/1.1\""));
}

TEST_F(StopTest, ARequestThatIsDoneBeforeTheDeadlineIsAnswered) {
  Server server(folder_, config("shutdown_timeout = \"1h\""));
  Client client{UniqueFd()};
  hang_in_a_request(server, client);
  server.signal(SIGTERM);
  ASSERT_TRUE(wait_until([&] { return server.header().state.load() == MasterState::kStopping; }));
  points_.release();
  const Response response = client.receive();
  EXPECT_EQ(response.body, "x");
  EXPECT_EQ(response.field("connection"), "close");
  EXPECT_EQ(server.wait(), 0) << server.log();
}

TEST_F(StopTest, AfterTheMastersDeathARequestInHandIsStillAnswered) {
  Server server(folder_, config());
  const std::vector<pid_t> workers = server.workers();
  Client client{UniqueFd()};
  hang_in_a_request(server, client);
  const pid_t busy = points_.last_pid();
  server.signal(SIGKILL);
  server.wait();
  const pid_t other = workers[0] == busy ? workers[1] : workers[0];
  ASSERT_TRUE(wait_until([other] { return gone(other); }));
  {
    // The address is free although the request is not finished.
    const TempDir folder;
    const Server next(folder, config("", "127.0.0.1:" + std::to_string(server.port())));
    EXPECT_EQ(next.connect().get("/").body, "x");
  }
  EXPECT_FALSE(gone(busy));
  points_.release();
  EXPECT_EQ(client.receive().body, "x");
  EXPECT_TRUE(wait_until([busy] { return gone(busy); }));
  EXPECT_TRUE(client.closed());
}

}  // namespace
}  // namespace baton::test
