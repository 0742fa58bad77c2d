// Workers that are replaced because they have served enough, or hold too much memory. No client sees it.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <thread>

#include "common/clock.h"
#include "tests/support/bulk.h"
#include "tests/support/observe.h"
#include "tests/support/server.h"
#include "tests/support/wait.h"

namespace baton::test {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

std::string config(const std::string& limits, int workers = 2) {
  return "[server]\nworkers = " + std::to_string(workers) + "\n[limits]\n" + limits +
         "\n[[site]]\n[[site.route]]\npath = \"/\"\nrespond = { body = \"x\" }\n"
         "[[site.route]]\npath = \"/files\"\nstatic = { root = \"root\" }\n";
}

class RecyclingTest : public testing::Test {
 protected:
  RecyclingTest() { folder_.write("root/a", "a"); }

  static std::uint64_t restarts(const Server& server) {
    std::uint64_t sum = 0;
    for (const WorkerEntry& entry : server.segment().scoreboard()) {
      if (entry.state.load() != WorkerState::kEmpty) sum += entry.restarts.load();
    }
    return sum;
  }
  static void expect_no_failure(const Server& server) {
    EXPECT_THAT(server.log(), Not(HasSubstr("[warning]")));
    EXPECT_THAT(server.log(), Not(HasSubstr("[error]")));
    EXPECT_EQ(stats(server)["totals"]["failing"], 0);
  }

  TempDir folder_;
};

TEST_F(RecyclingTest, AWorkerIsReplacedAfterItsShareOfRequests) {
  constexpr int kRequests = 2000;
  const Server server(folder_, config("requests_per_worker = 100"));
  Client client = server.connect();
  Client half = server.connect();
  half.send("GET / HTTP/1.1\r\nHo");
  for (int i = 0; i < kRequests; ++i) ASSERT_EQ(client.get("/").body, "x");
  half.send("st: x\r\n\r\n");
  EXPECT_EQ(half.receive().body, "x");
  // Each of those that are gone had served 90 to 100, those there are now at most that.
  EXPECT_TRUE(wait_until([&] { return restarts(server) >= kRequests / 100 - 2; }));
  EXPECT_LE(restarts(server), kRequests / 90 + 1U);
  EXPECT_THAT(server.log(), HasSubstr("retires: requests_per_worker is reached"));
  EXPECT_EQ(stats(server)["totals"]["requests"], kRequests + 1);
  expect_no_failure(server);
}

TEST_F(RecyclingTest, EvenAfterEachRequest) {
  const Server server(folder_, config("requests_per_worker = 1"));
  std::vector<Client> clients;
  for (int i = 0; i < 4; ++i) clients.push_back(server.connect());
  for (int round = 0; round < 50; ++round) {
    for (Client& client : clients)
      client.send("GET / HTTP/1.1\r\nHost: x\r\n\r\nGET /files/a HTTP/1.1\r\nHost: x\r\n\r\n");
    for (Client& client : clients) {
      ASSERT_EQ(client.receive().body, "x");
      ASSERT_EQ(client.receive().body, "a");
    }
  }
  EXPECT_EQ(server.total(&Counters::closed), 0U);
  expect_no_failure(server);
}

// What each worker has in memory from the start, so that a limit of 1 MiB is always exceeded.
std::string large_route() {
  return "[[site.route]]\npath = \"/large\"\nrespond = { body = \"" + std::string(900'000, 'l') + "\" }\n";
}

TEST_F(RecyclingTest, AWorkerWithTooMuchMemoryIsReplaced) {
  constexpr std::uint64_t kBig = 24 << 20;
  write_pattern(folder_, "root/big", kBig);
  const Server server(folder_, config("worker_memory = \"1M\"") + large_route());
  Client client = server.connect();
  Download download(server.port(), "/files/big", kBig);
  const std::vector<pid_t> first = server.workers();
  std::uint64_t answered = 0;
  ASSERT_TRUE(wait_until([&] {
    if (client.get("/").body == "x") ++answered;
    return restarts(server) >= 4;
  }));
  EXPECT_TRUE(gone(first));
  EXPECT_TRUE(download.read_rest());
  EXPECT_TRUE(download.complete());
  EXPECT_THAT(server.log(), HasSubstr(" of memory, worker_memory is 1.0M"));
  EXPECT_EQ(stats(server)["totals"]["requests"], answered + 1);
  expect_no_failure(server);
}

// A busy worker does not take a signal: an event that is ready comes first.
TEST_F(RecyclingTest, AlsoWhileItIsBusy) {
  const Server server(folder_, config("worker_memory = \"1M\"", 1) + large_route());
  std::atomic<bool> stop{false};
  std::atomic<int> wrong{0};
  std::vector<std::jthread> load;
  for (int i = 0; i < 4; ++i) {
    load.emplace_back([&] {
      std::string batch;
      for (int n = 0; n < 32; ++n) batch += "GET / HTTP/1.1\r\nHost: x\r\n\r\n";
      Client client = server.connect();
      while (!stop) {
        client.send(batch);
        for (int n = 0; n < 32; ++n) {
          if (client.receive().body != "x") ++wrong;
        }
      }
    });
  }
  EXPECT_TRUE(wait_until([&] { return restarts(server) >= 2; })) << server.log();
  stop = true;
  load.clear();
  EXPECT_EQ(wrong, 0);
  expect_no_failure(server);
}

TEST_F(RecyclingTest, ALimitThatIsNotReachedReplacesNobody) {
  const Server server(folder_, config("worker_memory = \"1G\"\nrequests_per_worker = 1000000"));
  const std::vector<pid_t> before = server.workers();
  Client client = server.connect();
  const std::uint64_t begun = monotonic_ns();
  ASSERT_TRUE(wait_until([&] {  // the master looks once a second
    return client.get("/").body == "x" && monotonic_ns() - begun > 2'200'000'000;
  }));
  EXPECT_EQ(server.workers(), before);
}

}  // namespace
}  // namespace baton::test
