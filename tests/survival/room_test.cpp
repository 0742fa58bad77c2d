// Deaths while room is made at max_connections, and what they leave in the counts of addresses.
#include <gtest/gtest.h>
#include <signal.h>

#include "tests/support/accounts.h"
#include "tests/support/crash_points.h"
#include "tests/support/observe.h"
#include "tests/support/server.h"
#include "tests/support/wait.h"

namespace baton::test {
namespace {

constexpr const char* kConfig =
    "[server]\nworkers = 2\nmax_connections = 3\n[[site]]\n[[site.route]]\npath = \"/\"\nrespond = { body = "
    "\"x\" }\n";

class RoomDeath : public ::testing::Test {
 protected:
  std::uint64_t counted() const {
    std::uint64_t sum = 0;
    for (const auto& counter : server_.segment().addresses().counters) sum += counter.load();
    return sum;
  }

  TempDir folder_;
  CrashPoints points_{folder_};
  Server server_{folder_, kConfig};
};

TEST_F(RoomDeath, TheVictimThatWasHeldGoesOnOrIsClosed) {
  for (const char* label : {"evict-claimed", "after-free-before-close"}) {
    std::vector<Client> clients;
    for (int i = 0; i < 3; ++i) {
      clients.push_back(server_.connect());
      EXPECT_EQ(clients.back().get("/").status, 200);
    }
    points_.kill_at(label, SIGKILL);
    Client next = server_.connect();
    EXPECT_EQ(next.get("/").status, 200) << label;
    EXPECT_TRUE(wait_until([&] { return points_.hits() == 1; })) << label;
    points_.disarm();
    EXPECT_EQ(next.get("/").status, 200) << label;
    clients.clear();
    next.close();
    EXPECT_TRUE(wait_until([&] { return count_connections(server_) == 0 && slots_add_up(server_); }))
        << label;
  }
}

TEST_F(RoomDeath, TheCountOfAnAddressIsMended) {
  for (const char* label : {"after-accept", "after-open-slot", "accepted", "after-free-before-close"}) {
    points_.kill_at(label, SIGKILL);
    Client client = server_.connect();
    client.send("GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    ASSERT_TRUE(wait_until([&] { return points_.hits() == 1; })) << label;
    points_.disarm();
    client.read_to_end();
  }
  Client stays = server_.connect();
  EXPECT_EQ(stays.get("/").status, 200);
  EXPECT_TRUE(wait_until([&] { return count_connections(server_) == 1 && counted() == 2; })) << counted();
}

}  // namespace
}  // namespace baton::test
