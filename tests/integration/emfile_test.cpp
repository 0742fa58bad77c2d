// Out of descriptors: accepting pauses, who is connected is served, and accepting goes on.
#include <gtest/gtest.h>
#include <sys/resource.h>

#include <algorithm>

#include "tests/support/accounts.h"
#include "tests/support/observe.h"
#include "tests/support/server.h"
#include "tests/support/wait.h"

namespace baton::test {
namespace {

const char kConfig[] =
    "[server]\nworkers = 3\nmax_connections = 500\n[[site]]\n[[site.route]]\npath = \"/\"\nrespond = { body "
    "= \"x\" }\n";
constexpr char kRequest[] = "GET / HTTP/1.1\r\nHost: x\r\n\r\n";

// Descriptor numbers are one table's, but each process has a limit of its own.
void limit_descriptors(const Server& server, rlim_t most) {
  std::vector<pid_t> pids = server.workers();
  pids.push_back(server.pid());
  for (const pid_t pid : pids) {
    rlimit limit{};
    ASSERT_EQ(::prlimit(pid, RLIMIT_NOFILE, nullptr, &limit), 0);
    limit.rlim_cur = most;
    ASSERT_EQ(::prlimit(pid, RLIMIT_NOFILE, &limit, nullptr), 0);
  }
}

// The limit below which `room` numbers are free.
rlim_t limit_with_room(const Server& server, std::size_t room) {
  const std::vector<int> open = open_descriptors(server);
  int limit = 0;
  for (std::size_t free = 0; free < room; ++limit) {
    if (!std::binary_search(open.begin(), open.end(), limit)) ++free;
  }
  return static_cast<rlim_t>(limit);
}

class Emfile : public ::testing::Test {
 protected:
  // Four connections find room, four more have to wait.
  void fill() {
    limit_descriptors(server_, limit_with_room(server_, kRoom));
    for (std::size_t i = 0; i < 2 * kRoom; ++i) {
      clients_.push_back(server_.connect());
      clients_.back().send(kRequest);
    }
    ASSERT_TRUE(wait_until([&] {
      return server_.total(&Counters::accept_paused) >= 1 && server_.total(&Counters::accepted) == kRoom;
    }));
    for (std::size_t i = 0; i < kRoom; ++i) ASSERT_EQ(clients_[i].receive().body, "x");
  }

  static constexpr std::size_t kRoom = 4;
  TempDir folder_;
  Server server_{folder_, kConfig};
  std::vector<Client> clients_;
};

TEST_F(Emfile, WhoIsConnectedIsServed) {
  fill();
  for (int round = 0; round < 20; ++round) {
    for (std::size_t i = 0; i < kRoom; ++i) ASSERT_EQ(clients_[i].exchange(kRequest).body, "x");
  }
  EXPECT_EQ(server_.total(&Counters::accepted), kRoom);
}

// Ten tries a second are the master's; a busy loop makes thousands.
TEST_F(Emfile, NobodySpins) {
  fill();
  const std::uint64_t turns = entry_of(server_, server_.workers().front()).flight.turns.load();
  const std::uint64_t paused = server_.total(&Counters::accept_paused);
  const std::uint64_t wakeups = server_.total(&Counters::wakeups);
  ASSERT_TRUE(wait_until([&] { return server_.total(&Counters::accept_paused) >= paused + 5; }))
      << "it tries again";
  EXPECT_LE(server_.total(&Counters::wakeups) - wakeups, 30U);
  EXPECT_LE(entry_of(server_, server_.workers().front()).flight.turns.load() - turns, 100U);
}

TEST_F(Emfile, AcceptingGoesOnWhenAClientLeaves) {
  fill();
  for (std::size_t i = kRoom; i < clients_.size(); ++i) {
    clients_[i - kRoom].close();
    EXPECT_EQ(clients_[i].receive().body, "x");
  }
}

TEST_F(Emfile, AcceptingGoesOnWhenTheLimitIsRaised) {
  fill();
  limit_descriptors(server_, limit_with_room(server_, 100));
  for (std::size_t i = kRoom; i < clients_.size(); ++i) EXPECT_EQ(clients_[i].receive().body, "x");
}

// A parked answer of several ranges takes three descriptors.
TEST(Descriptors, AreCountedForAllThatConnectionsMayHold) {
  const TempDir folder;
  const Server server(folder, kConfig);
  EXPECT_GE(server.segment().connections().size(), 3U * 500 + FileTable::kEntries);
}

std::string ranges_of(const std::string& target) {
  return "GET " + target + " HTTP/1.1\r\nHost: x\r\nRange: bytes=0-5999999,6000001-11999999\r\n\r\n";
}

TEST(Descriptors, CachedFilesGiveWayToConnections) {
  constexpr std::size_t kFiles = 200;
  constexpr std::size_t kClients = 20;
  const TempDir folder;
  folder.write("site/big", std::string(12'000'000, 'b'));
  for (std::size_t i = 0; i < kFiles; ++i) folder.write("site/" + std::to_string(i), "small");
  const Server server(folder, static_config("site"));
  Client first = server.connect();
  const auto get_all = [&] {
    for (std::size_t i = 0; i < kFiles; ++i) EXPECT_EQ(first.get("/" + std::to_string(i)).body, "small");
  };
  get_all();
  const std::size_t before = open_descriptors(server).size();
  EXPECT_GT(before, kFiles / 2);
  limit_descriptors(server, limit_with_room(server, 5));
  std::vector<Client> clients;
  for (std::size_t i = 0; i < kClients; ++i) {
    clients.push_back(server.connect());
    clients.back().receive_little();
    clients.back().send(ranges_of("/big"));
  }
  ASSERT_TRUE(wait_until([&] { return count_armed(server, Phase::kParked) == kClients; }));
  get_all();
  EXPECT_EQ(server.total(&Counters::accept_paused), 0U);
  EXPECT_LE(open_descriptors(server).size(), before + 5);
  for (Client& client : clients) {
    const Response response = client.receive();
    EXPECT_EQ(response.status, 206);
    EXPECT_GT(response.body.size(), 11'999'000U);
  }
  EXPECT_TRUE(wait_until([&] { return unaccounted_descriptors(server).empty(); }));
}

}  // namespace
}  // namespace baton::test
