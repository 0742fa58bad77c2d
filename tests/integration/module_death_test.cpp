// Handlers that end their workers, or try to: one response it may cost, and nobody else's.
#include <gmock/gmock.h>

#include <atomic>
#include <thread>

#include "tests/integration/shared_server.h"
#include "tests/support/modules.h"
#include "tests/support/observe.h"
#include "tests/support/sanitizers.h"
#include "tests/support/wait.h"

namespace baton::test {

namespace {

using ::testing::HasSubstr;

constexpr const char* kWays[] = {"segv",     "abort",        "exit",  "exit3", "_exit",
                                 "overflow", "pthread_exit", "throw", "sys"};

// Workers die here, so it is not SharedServer.
class Deaths : public testing::Test {
 protected:
  static constexpr const char* kRoutes =
      "[[site.route]]\npath = \"/plain\"\nrespond = { body = \"plain\" }\n";

  static std::string config(int workers) {
    return "[server]\nworkers = " + std::to_string(workers) + "\n[[site]]\n" +
           module_route("/", module_file("deadly")) + kRoutes;
  }

  std::uint64_t begun() {
    return counted(folder_, "begun") - std::exchange(seen_, counted(folder_, "begun"));
  }
  void expect_served(Client& client, const std::string& method, const std::string& target, int status,
                     std::uint64_t times) {
    const Response response = client.ask(method, target);
    EXPECT_EQ(response.status, status) << target;
    EXPECT_THAT(response.body, testing::Not(HasSubstr("half")));
    EXPECT_EQ(begun(), times) << method << " " << target;
    EXPECT_EQ(client.get("/plain").body, "plain") << "the connection goes on after " << target;
  }

  const SanitizersLeave the_crashes_alone_;
  TempDir folder_;
  std::uint64_t seen_ = 0;
  Server server_{folder_, config(2)};
};

TEST_F(Deaths, AreBegunAgainOnceAndThenAnsweredOnALiveConnection) {
  Client client = server_.connect();
  for (const std::string way : kWays) {
    SCOPED_TRACE(way);
    expect_served(client, "GET", "/die/" + way, 500, 2);
    expect_served(client, "POST", "/die/" + way, 500, 1);
  }
}

// There they begin, and there they end: on the event thread (worker/app/borrowed_thread.h).
TEST_F(Deaths, BeforeTheFirstSystemCallCostNoMoreThanAfterIt) {
  Client neighbour = server_.connect();
  Client client = server_.connect();
  for (int i = 0; i < 3; ++i) {
    for (const std::string way : kWays) {
      SCOPED_TRACE(way);
      EXPECT_EQ(client.get("/quiet/no").body, "survived");
      EXPECT_EQ(client.ask("POST", "/quiet/" + way).status, 500);
      EXPECT_EQ(client.get("/plain").body, "plain");
    }
  }
  EXPECT_EQ(client.get("/hang/quietly").status, 504);
  EXPECT_EQ(neighbour.get("/plain").body, "plain");
}

// With a handler of its own for SIGSEGV, which the server then has to leave alone.
TEST_F(Deaths, AModuleMayRecoverFromItsOwnFaults) {
  for (const std::string mask : {"empty", "full"}) {
    const TempDir folder;
    Server server(folder, config(1));
    Client client = server.connect();
    for (int i = 0; i < 50; ++i) {
      EXPECT_EQ(client.get("/recover/" + mask).body, "recovered");
      EXPECT_EQ(client.get("/protect").body, "protected");
    }
    expect_no_worker_died(server);
  }
}

// Nobody else would end it.
TEST_F(Deaths, AHandlerThatHangsEndsWithItsTimeAlsoWhenTheMasterHasDied) {
  for (const char* target : {"/hang", "/hang/quietly"}) {
    SCOPED_TRACE(target);
    const TempDir folder;
    Server server(folder, config(1));
    const std::vector<pid_t> workers = server.workers();
    Client client = server.connect();
    client.send(std::string("POST ") + target + " HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n");
    ASSERT_TRUE(wait_until(
        [&] { return entry_of(server, workers.at(0)).flight.phase.load() == FlightPhase::kServing; }));
    server.signal(SIGKILL);
    server.wait();
    const bool ended = wait_until([&] { return gone(workers); });
    if (!ended) ::kill(workers.at(0), SIGKILL);  // it would spin for ever
    EXPECT_TRUE(ended);
  }
}

TEST_F(Deaths, WhatTheRouteSaysOfRepeatingGoesBeforeTheMethod) {
  Client client = server_.connect();
  expect_served(client, "POST", "/again/segv", 500, 4);
  expect_served(client, "POST", "/again/exit", 500, 4);
  expect_served(client, "GET", "/once/segv", 500, 1);
  expect_served(client, "GET", "/once/exit", 500, 1);
}

TEST_F(Deaths, WithABodyThatIsKeptForTheNextTry) {
  Client client = server_.connect();
  for (const std::size_t bytes : {100U, 400'000U, 1'000'000U}) {
    const Response response = client.ask("POST", "/again/abort", "", std::string(bytes, 'b'));
    EXPECT_EQ(response.status, 500);
    EXPECT_EQ(begun(), 4U);
    EXPECT_EQ(client.get("/plain").body, "plain");
  }
}

TEST_F(Deaths, InTheMiddleOfAStreamEndTheConnectionAndNoOther) {
  Client neighbour = server_.connect();
  EXPECT_EQ(neighbour.get("/plain").body, "plain");
  for (const std::string way : kWays) {
    Client client = server_.connect();
    client.send("GET /stream/" + way + " HTTP/1.1\r\nHost: x\r\n\r\n");
    EXPECT_THAT(read_head(client), HasSubstr("chunked"));
    EXPECT_EQ(client.read_to_end(), "4\r\nhalf\r\n") << way;
    EXPECT_EQ(begun(), 1U) << way;
  }
  EXPECT_EQ(neighbour.get("/plain").body, "plain");
  EXPECT_TRUE(wait_until([&] { return count_connections(server_) == 1; }));
}

TEST_F(Deaths, AHandlerThatHangsIsEndedByTheWatchdog) {
  Client client = server_.connect();
  for (const char* method : {"GET", "POST"}) {
    const Response response = client.ask(method, "/hang");
    EXPECT_EQ(response.status, 504);
    EXPECT_EQ(begun(), 1U);
    EXPECT_EQ(client.get("/plain").body, "plain");
  }
}

TEST_F(Deaths, ClosingEverythingClosesNothingOfTheServers) {
  Client neighbour = server_.connect();
  Client client = server_.connect();
  for (int i = 0; i < 5; ++i) {
    EXPECT_EQ(client.get("/close").body, "closed");
    EXPECT_EQ(neighbour.get("/plain").body, "plain");
  }
  EXPECT_THAT(server_.log(), HasSubstr("all closed"));
  expect_no_worker_died(server_);
}

TEST_F(Deaths, AForkedChildEndsWhereTheHandlerDoes) {
  Client neighbour = server_.connect();
  Client client = server_.connect();
  for (int i = 0; i < 5; ++i) {
    EXPECT_EQ(client.get("/fork").body, "parent");
    EXPECT_EQ(client.get("/fork-and-call").body, "parent");
    EXPECT_EQ(neighbour.get("/plain").body, "plain");
  }
  EXPECT_THAT(server_.log(), HasSubstr("of the child"));
  expect_no_worker_died(server_);
}

// Every kind of death again and again, beside clients that do nothing but ask.
TEST_F(Deaths, SixtyFourNeighboursNeverNotice) {
  constexpr std::size_t kNeighbours = 64;
  std::atomic<bool> over{false};
  std::atomic<std::size_t> wrong{0};
  std::atomic<std::size_t> served{0};
  std::vector<std::thread> threads;
  for (int t = 0; t < 2; ++t) {
    threads.emplace_back([&] {
      try {
        std::vector<Client> neighbours;
        for (std::size_t i = 0; i < kNeighbours / 2; ++i) neighbours.push_back(server_.connect());
        while (!over) {
          for (Client& client : neighbours) {
            const bool right = client.get(served++ % 2 == 0 ? "/plain" : "/close").status == 200;
            if (!right) ++wrong;
          }
        }
      } catch (const std::exception& error) {
        ++wrong;
        ADD_FAILURE() << error.what();
      }
    });
  }
  Client client = server_.connect();
  for (int i = 0; i < 10; ++i) {
    for (const std::string way : kWays) EXPECT_EQ(client.ask("POST", "/die/" + way).status, 500) << way;
  }
  EXPECT_TRUE(wait_until([&] { return served > 1'000; }));
  over = true;
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(wrong.load(), 0U) << server_.log();
}

}  // namespace

}  // namespace baton::test
