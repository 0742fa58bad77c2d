// Timeouts and limits, on the real server.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <thread>

#include "tests/support/bulk.h"
#include "tests/support/modules.h"
#include "tests/support/observe.h"
#include "tests/support/server.h"
#include "tests/support/wait.h"

namespace baton::test {
namespace {

using std::chrono::milliseconds;
using Clock = std::chrono::steady_clock;

std::string answering(const std::string& settings) {
  return "[server]\nworkers = 2\n" + settings +
         "\n[[site]]\n[[site.route]]\npath = \"/\"\nrespond = { body = \"x\" }\n";
}

// Deadlines are whole ticks of 100 ms, checked once a tick: none comes early by more than the tick it began
// in.
constexpr milliseconds kTick{100};

TEST(Timeouts, AnIdleConnectionIsClosedWithoutAWord) {
  const TempDir folder;
  const Server server(folder, answering("[timeouts]\nkeep_alive = \"300ms\"\nheader = \"1h\""));
  Client client = server.connect();
  EXPECT_EQ(client.get("/").status, 200);
  const auto begun = Clock::now();
  EXPECT_TRUE(client.closed());
  EXPECT_GE(Clock::now() - begun, milliseconds(300) - kTick);
  EXPECT_TRUE(wait_until([&] { return server.total(&Counters::timeouts) == 1; }));
}

TEST(Timeouts, AClientThatNeverSpeaksIsClosedWithoutAWord) {
  const TempDir folder;
  const Server server(folder, answering("[timeouts]\nkeep_alive = \"1h\"\nheader = \"300ms\""));
  Client client = server.connect();
  EXPECT_TRUE(client.closed());
}

TEST(Timeouts, AHeadThatDoesNotEndIsAnswered408) {
  const TempDir folder;
  const Server server(folder, answering("[timeouts]\nheader = \"300ms\""));
  Client client = server.connect();
  client.send("GET / HTTP/1.1\r\nHo");
  const Response response = client.receive();
  EXPECT_EQ(response.status, 408);
  EXPECT_EQ(response.field("connection"), "close");
  EXPECT_TRUE(client.closed());
  EXPECT_EQ(server.total(&Counters::timeouts), 1U);
}

// A byte now and then must not push the deadline back: it runs from the first one.
TEST(Timeouts, ATrickledHeadDoesNotLiveLonger) {
  const TempDir folder;
  const Server server(folder, answering("[timeouts]\nheader = \"500ms\""));
  Client client = server.connect();
  client.send("GET / HTTP/1.1\r\nA: ");
  // Bytes a millisecond apart: if each moved the deadline, there would be no end before the head is too
  // large.
  const bool hung_up = wait_until([&] {
    client.send("a");
    return server.total(&Counters::timeouts) == 1;
  });
  ASSERT_TRUE(hung_up);
  EXPECT_EQ(client.receive().status, 408);
}

// Whether the 408 has a body is not for the last request of somebody else to say.
TEST(Timeouts, ThePageOf408IsSentWhateverTheWorkerServedLast) {
  const TempDir folder;
  const Server server(folder,
                      "[server]\nworkers = 1\n[timeouts]\nheader = \"500ms\"\n[[site]]\n[[site.route]]\n"
                      "path = \"/\"\nrespond = { body = \"x\" }\n");
  Client slow = server.connect();
  slow.send("GET / HTTP/1.1\r\nHo");
  ASSERT_TRUE(wait_until([&] { return count_armed(server, Phase::kHead) == 1; }));
  Client other = server.connect();
  EXPECT_EQ(other.exchange("HEAD / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", true).status, 200);
  const Response response = slow.receive();
  EXPECT_EQ(response.status, 408);
  EXPECT_FALSE(response.body.empty());
}

TEST(Timeouts, ABodyThatDoesNotComeIsAnswered408) {
  const TempDir folder;
  const Server server(folder, answering("[timeouts]\nbody = \"300ms\""));
  Client client = server.connect();
  client.send("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nab");
  const Response response = client.receive();
  EXPECT_EQ(response.status, 408);
  EXPECT_EQ(response.field("connection"), "close");
  EXPECT_TRUE(client.closed());
}

TEST(Timeouts, ABodyThatTricklesIsAnswered408) {
  const TempDir folder;
  const Server server(folder, answering("[timeouts]\nbody = \"300ms\""));
  Client client = server.connect();
  client.send("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\n\r\n");
  ASSERT_TRUE(wait_until([&] { return count_armed(server, Phase::kBody) == 1; }));
  std::uint64_t seen = server.total(&Counters::bytes_in);
  const bool hung_up = wait_until([&] {
    if (server.total(&Counters::bytes_in) != seen) {  // a byte at a time, each after the one before was read
      seen = server.total(&Counters::bytes_in);
      client.send("a");
    }
    return server.total(&Counters::timeouts) == 1;
  });
  EXPECT_TRUE(hung_up);
  EXPECT_EQ(client.receive().status, 408);
}

TEST(Timeouts, AClientThatStopsReadingIsCut) {
  constexpr std::uint64_t kBig = 24 << 20;
  const TempDir folder;
  write_pattern(folder, "root/big", kBig);
  const Server server(folder, static_config("root", "", "[timeouts]\nsend = \"300ms\""));
  Download download(server.port(), "/big", kBig);
  ASSERT_TRUE(wait_until([&] { return server.total(&Counters::timeouts) == 1; }));
  EXPECT_TRUE(wait_until([&] { return count_connections(server) == 0; }));
  EXPECT_FALSE(download.read_rest());
  EXPECT_TRUE(download.exact());
}

// Slower than the timeout altogether, but never without progress for as long as that.
TEST(Timeouts, AClientThatReadsSteadilyIsNotCut) {
  constexpr std::uint64_t kBig = 24 << 20;
  const TempDir folder;
  write_pattern(folder, "root/big", kBig);
  const Server server(folder, static_config("root", "", "[timeouts]\nsend = \"700ms\""));
  const auto begun = Clock::now();
  Download download(server.port(), "/big", kBig);
  while (Clock::now() - begun < milliseconds(2'500)) {
    const auto next = Clock::now() + milliseconds(20);
    ASSERT_TRUE(download.read(16 * 1024));
    std::this_thread::sleep_until(next);  // the reader's pace, not an order of events
  }
  EXPECT_LT(download.received(), kBig / 2);
  EXPECT_TRUE(download.read_rest());
  EXPECT_TRUE(download.complete());
  EXPECT_EQ(server.total(&Counters::timeouts), 0U);
}

TEST(Limits, RequestsPerConnection) {
  const TempDir folder;
  const Server server(folder, answering("[limits]\nrequests_per_connection = 3"));
  Client client = server.connect();
  EXPECT_EQ(client.get("/").field("connection"), "");
  EXPECT_EQ(client.get("/").field("connection"), "");
  EXPECT_EQ(client.get("/").field("connection"), "close");
  EXPECT_TRUE(client.closed());

  Client pipelined = server.connect();
  for (int i = 0; i < 5; ++i) pipelined.send("GET / HTTP/1.1\r\nHost: x\r\n\r\n");
  for (int i = 0; i < 3; ++i) EXPECT_EQ(pipelined.receive().status, 200);
  EXPECT_TRUE(pipelined.closed()) << "what is behind the last one is not answered";
}

TEST(Limits, RequestsPerWorker) {
  const TempDir folder;
  const Server server(folder, answering("[limits]\nrequests_per_worker = 10"));
  const std::vector<pid_t> first = server.workers();
  std::vector<Client> clients;
  for (int i = 0; i < 4; ++i) clients.push_back(server.connect());
  // For as long as it takes: how the requests are spread over the workers is the scheduler's choice.
  std::uint64_t asked = 0;
  EXPECT_TRUE(wait_until([&] {
    for (Client& client : clients) EXPECT_EQ(client.get("/").body, "x");
    asked += clients.size();
    return gone(first) && server.workers().size() == 2;
  }));
  EXPECT_EQ(server.total(&Counters::requests), asked);
  EXPECT_EQ(server.total(&Counters::accepted), 4U);
  EXPECT_GE(stats(server)["totals"]["restarts"], 2);
  EXPECT_THAT(server.log(), ::testing::Not(::testing::HasSubstr("warning"))) << "a retirement is no accident";
}

// Who waits for an answer is not closed for others: tests/integration/room_test.cpp has those who are.
TEST(Limits, MaxConnections) {
  constexpr std::size_t kMost = 10;
  const TempDir folder;
  const Server server(folder, answering("max_connections = 10"));
  std::vector<Client> clients;
  for (std::size_t i = 0; i < kMost + 5; ++i) {
    clients.push_back(server.connect());  // the kernel completes it, accepted or not
    clients.back().send("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n\r\n");
  }
  ASSERT_TRUE(wait_until([&] { return count_armed(server, Phase::kBody) == kMost; }));
  ASSERT_TRUE(wait_until([&] { return server.header().accept_paused.load() == 1; }));
  EXPECT_EQ(server.total(&Counters::accepted), kMost);
  EXPECT_EQ(count_connections(server), kMost);
  EXPECT_GE(server.total(&Counters::accept_paused), 1U);
  for (std::size_t i = kMost; i < clients.size(); ++i) {
    EXPECT_EQ(server.total(&Counters::accepted), i) << "the next in the backlog, and only one";
    EXPECT_EQ(clients[i - kMost].exchange("x").status, 200);
    clients[i - kMost].close();
    ASSERT_TRUE(wait_until([&] { return count_armed(server, Phase::kBody) == kMost; }));
  }
  EXPECT_EQ(count_connections(server), kMost);
}

TEST(Limits, MaxConnectionsHoldWhileClientsComeAndGo) {
  const TempDir folder;
  const Server server(folder, answering("max_connections = 3"));
  for (int round = 0; round < 50; ++round) {
    std::vector<Client> clients;
    {
      std::vector<std::unique_ptr<Stopped>> stopped;
      for (const pid_t worker : server.workers()) stopped.push_back(std::make_unique<Stopped>(worker));
      for (int i = 0; i < 6; ++i) {
        clients.push_back(server.connect());
        clients.back().send("GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
      }
    }
    for (Client& client : clients) {
      EXPECT_EQ(client.receive().status, 200);
      EXPECT_LE(count_connections(server), 3U);
    }
  }
  EXPECT_TRUE(wait_until([&] { return server.header().connections.load() == 0; }));
}

TEST(Limits, HeaderBytes) {
  const TempDir folder;
  const Server server(folder, answering("[limits]\nheader_bytes = 1024"));
  const auto with_length = [](std::size_t size) {
    std::string head = "GET / HTTP/1.1\r\nHost: x\r\nA: ";
    return head.append(size - head.size() - 4, 'a').append("\r\n\r\n");
  };
  Client client = server.connect();
  EXPECT_EQ(client.exchange(with_length(1024)).status, 200);
  const Response refused = client.exchange(with_length(1025));
  EXPECT_EQ(refused.status, 431);
  EXPECT_EQ(refused.field("connection"), "close");
  EXPECT_TRUE(client.closed());
}

TEST(Limits, HeaderFields) {
  const TempDir folder;
  const Server server(folder, answering("[limits]\nheader_fields = 1000\nheader_bytes = \"64K\"") +
                                  module_route("/m/", module_file("good")));
  const auto fields = [](int count) {  // besides Host
    std::string lines;
    for (int i = 1; i < count; ++i) lines += "X-" + std::to_string(i) + ": " + std::to_string(i) + "\r\n";
    return lines;
  };
  Client client = server.connect();
  EXPECT_EQ(client.get("/", fields(1'000)).status, 200);
  EXPECT_THAT(client.get("/m/request", fields(1'000)).body, ::testing::HasSubstr("header X-999=999\n"));
  EXPECT_EQ(client.get("/", fields(1'001)).status, 431);
  EXPECT_TRUE(client.closed());

  const Finished reload = server.reload(answering("[limits]\nheader_fields = 3"));
  ASSERT_EQ(reload.status, 0) << reload.err;
  EXPECT_EQ(server.connect().get("/", fields(3)).status, 200);
  EXPECT_EQ(server.connect().get("/", fields(4)).status, 431);
}

}  // namespace
}  // namespace baton::test
