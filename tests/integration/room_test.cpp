// At max_connections, and at limits.connections_per_address: who is closed, who is refused, and who is not.
#include <arpa/inet.h>
#include <gmock/gmock.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <memory>
#include <system_error>

#include "tests/integration/shared_server.h"
#include "tests/support/modules.h"
#include "tests/support/observe.h"
#include "tests/support/wait.h"

namespace baton::test {
namespace {

std::string config(const std::string& server, const std::string& limits = "",
                   const std::string& listeners = "") {
  return "[server]\nworkers = 2\n" + server + "\n[limits]\n" + limits + "\n" + listeners +
         "\n[[site]]\n[[site.route]]\npath = \"/\"\nrespond = { body = \"x\" }\n";
}

Tick now() {
  return tick_of(monotonic_ns());
}

// What is said before and behind it has ticks of its own.
void next_tick() {
  const Tick before = now();
  ASSERT_TRUE(wait_until([before] { return now() != before; }));
}

void age(Tick ticks) {
  const Tick begun = now();
  ASSERT_TRUE(wait_until([&] { return now() - begun > ticks; }));
}

// A client whose upload is under way: the server owes it an answer.
Client busy(const Server& server, std::size_t listener = 0) {
  Client client = server.connect(listener);
  client.send("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\na");
  return client;
}

bool served(Client& client) {
  return client.get("/").status == 200;
}

TEST(Room, TheOneThatIsIdleLongestGoes) {
  const TempDir folder;
  const Server server(folder, config("max_connections = 3"));
  std::vector<Client> clients;
  for (int i = 0; i < 3; ++i) {
    clients.push_back(server.connect());
    EXPECT_TRUE(served(clients.back()));
    next_tick();
  }
  EXPECT_TRUE(served(clients[0]));
  ASSERT_TRUE(wait_until([&] { return count_armed(server, Phase::kHead) == 3; }));
  Client fourth = server.connect();
  EXPECT_TRUE(served(fourth));
  EXPECT_TRUE(clients[1].closed());
  EXPECT_TRUE(served(clients[0]));
  EXPECT_TRUE(served(clients[2]));
  EXPECT_EQ(server.total(&Counters::evicted), 1U);
  EXPECT_EQ(count_connections(server), 3U);
  EXPECT_EQ(stats(server)["totals"]["evicted"], 1);
}

TEST(Room, ThoseThatNeverSpokeGoBeforeThoseThatDid) {
  const TempDir folder;
  const Server server(folder, config("max_connections = 3"));
  std::vector<Client> spoke;
  for (int i = 0; i < 2; ++i) {
    spoke.push_back(server.connect());
    EXPECT_TRUE(served(spoke.back()));
  }
  next_tick();
  Client silent = server.connect();
  ASSERT_TRUE(wait_until([&] { return count_armed(server, Phase::kHead) == 3; }));
  age(2);
  Client fourth = server.connect();
  EXPECT_TRUE(served(fourth));
  EXPECT_TRUE(silent.closed());
  for (Client& client : spoke) EXPECT_TRUE(served(client));
}

TEST(Room, NobodyIsClosedWhoIsOwedAnAnswer) {
  const TempDir folder;
  const Server server(folder, config("max_connections = 2"));
  std::vector<Client> clients;
  for (int i = 0; i < 2; ++i) clients.push_back(busy(server));
  ASSERT_TRUE(wait_until([&] { return count_armed(server, Phase::kBody) == 2; }));
  Client third = server.connect();
  third.send("GET / HTTP/1.1\r\nHost: x\r\n\r\n");
  ASSERT_TRUE(wait_until([&] { return server.total(&Counters::accept_paused) > 2; }));
  EXPECT_EQ(server.total(&Counters::accepted), 2U);
  EXPECT_EQ(clients[0].exchange("b").status, 200);
  EXPECT_EQ(third.receive().status, 200) << "the first one has become idle";
  EXPECT_TRUE(clients[0].closed());
  EXPECT_EQ(clients[1].exchange("b").status, 200);
}

// What has arrived and not been taken up yet is a request, however idle its connection looks.
TEST(Room, NobodyIsClosedWhoHasJustAsked) {
  const TempDir folder;
  const Server server(folder, config("max_connections = 2"));
  for (int round = 0; round < 10; ++round) {
    Client first = server.connect();
    Client second = server.connect();
    for (Client* client : {&first, &second}) EXPECT_TRUE(served(*client));
    next_tick();
    Client third = [&] {
      std::vector<std::unique_ptr<Stopped>> stopped;
      for (const pid_t worker : server.workers()) stopped.push_back(std::make_unique<Stopped>(worker));
      Client client = server.connect();
      client.send("GET / HTTP/1.1\r\nHost: x\r\n\r\n");
      first.send("GET / HTTP/1.1\r\nHost: x\r\n\r\n");
      return client;
    }();
    EXPECT_EQ(first.receive().status, 200);
    EXPECT_EQ(third.receive().status, 200);
    EXPECT_TRUE(second.closed());
    first.close();
    third.close();
    ASSERT_TRUE(wait_until([&] { return count_connections(server) == 0; }));
  }
}

TEST(Room, AHeadThatDoesNotEndHoldsNoPlace) {
  const TempDir folder;
  const Server server(folder, config("max_connections = 2"));
  std::vector<Client> slow;
  for (int i = 0; i < 2; ++i) {
    slow.push_back(server.connect());
    slow.back().send("GET / HTTP/1.1\r\nHo");
  }
  ASSERT_TRUE(wait_until([&] {
    int partial = 0;
    for (int fd = 0; fd <= server.header().highest_fd.load(); ++fd)
      partial += server.segment().connections().claim(fd).armed() &&
                 server.segment().connections().at(fd).peeked > 0;
    return partial == 2;
  }));
  Client third = server.connect();
  EXPECT_TRUE(served(third));
  EXPECT_EQ(server.total(&Counters::evicted), 1U);
}

TEST(Room, AReserveIsForItsListenerAlone) {
  const TempDir folder;
  const std::string listeners =
      "[[listen]]\naddress = \"127.0.0.1:0\"\n[[listen]]\naddress = \"unix:health.sock\"\nreserve = 1\n";
  const Server server(folder, config("max_connections = 2", "", listeners));
  std::vector<Client> clients;
  for (int i = 0; i < 2; ++i) clients.push_back(busy(server));
  ASSERT_TRUE(wait_until([&] { return count_armed(server, Phase::kBody) == 2; }));
  Client outside = server.connect();
  for (int i = 0; i < 3; ++i) {
    Client health = server.connect(1);
    EXPECT_EQ(health.get("/", "Connection: close\r\n").status, 200);
    EXPECT_TRUE(health.closed());
  }
  Client held = busy(server, 1);
  ASSERT_TRUE(wait_until([&] { return count_armed(server, Phase::kBody) == 3; }));
  Client fifth = server.connect(1);
  fifth.send("GET / HTTP/1.1\r\nHost: x\r\n\r\n");
  const std::uint64_t paused = server.total(&Counters::accept_paused);
  ASSERT_TRUE(wait_until([&] { return server.total(&Counters::accept_paused) > paused + 2; }));
  EXPECT_EQ(count_connections(server), 3U);
  EXPECT_EQ(held.exchange("b").status, 200);
  EXPECT_EQ(fifth.receive().status, 200);
}

// The connection that waits is not tried again and again, only because another address has a reserve.
TEST(Room, WaitingBesideAReserveCostsNothing) {
  const TempDir folder;
  const std::string listeners =
      "[[listen]]\naddress = \"127.0.0.1:0\"\n[[listen]]\naddress = \"unix:health.sock\"\nreserve = 1\n";
  const Server server(folder, config("max_connections = 1", "", listeners));
  Client first = busy(server);
  ASSERT_TRUE(wait_until([&] { return count_armed(server, Phase::kBody) == 1; }));
  Client waits = server.connect();
  ASSERT_TRUE(wait_until([&] { return server.total(&Counters::accept_paused) > 0; }));
  const Tick begun = now();
  const std::uint64_t before = server.total(&Counters::wakeups);
  age(5);
  const std::uint64_t wakeups = server.total(&Counters::wakeups) - before;
  EXPECT_LE(wakeups, 20 * (now() - begun + 1)) << "the sweep's, once a tick, and those of the clock";
  EXPECT_EQ(first.exchange("b").status, 200);
}

TEST(Room, ALowerLimitIsReachedAtOnce) {
  const TempDir folder;
  const Server server(folder, config("max_connections = 50"));
  std::vector<Client> clients;
  for (int i = 0; i < 50; ++i) {
    clients.push_back(server.connect());
    EXPECT_TRUE(served(clients.back()));
  }
  ASSERT_EQ(server.reload(config("max_connections = 2")).status, 0);
  ASSERT_TRUE(wait_until([&] { return count_armed(server, Phase::kHead) == 50; }));
  Client next = server.connect();
  EXPECT_TRUE(served(next));
  EXPECT_LE(count_connections(server), 2U);
  EXPECT_EQ(server.total(&Counters::accept_paused), 0U) << "nobody waited for the sweep";
}

// -- per address

Client connect_from(const char* address, std::uint16_t port) {
  UniqueFd socket(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in end{};
  end.sin_family = AF_INET;
  ::inet_pton(AF_INET, address, &end.sin_addr);
  if (::bind(socket.get(), reinterpret_cast<const sockaddr*>(&end), sizeof end) != 0)
    throw std::system_error(errno, std::generic_category(), "bind");
  end.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  end.sin_port = htons(port);
  if (::connect(socket.get(), reinterpret_cast<const sockaddr*>(&end), sizeof end) != 0)
    throw std::system_error(errno, std::generic_category(), "connect");
  return Client(std::move(socket));
}

std::uint64_t counted_addresses(const Server& server) {
  std::uint64_t sum = 0;
  for (const auto& counter : server.segment().addresses().counters) sum += counter.load();
  return sum;
}

TEST(RoomPerAddress, MoreThanItMayHaveAreRefused) {
  const TempDir folder;
  const Server server(folder, config("", "connections_per_address = 3"));
  std::vector<Client> clients;
  for (int i = 0; i < 3; ++i) {
    clients.push_back(server.connect());
    EXPECT_TRUE(served(clients.back()));
  }
  for (int i = 0; i < 5; ++i) EXPECT_TRUE(server.connect().closed());
  EXPECT_EQ(server.total(&Counters::refused), 5U);
  EXPECT_EQ(server.total(&Counters::accepted), 3U);
  EXPECT_EQ(stats(server)["totals"]["refused"], 5);
  Client other = connect_from("127.0.0.2", server.port());
  EXPECT_TRUE(served(other)) << "another address";
  for (Client& client : clients) EXPECT_TRUE(served(client));
  clients.pop_back();
  ASSERT_TRUE(wait_until([&] { return count_connections(server) == 3; }));
  Client next = server.connect();
  EXPECT_TRUE(served(next));
  for (Client* client : {&other, &next}) client->close();
  clients.clear();
  EXPECT_TRUE(wait_until([&] { return count_connections(server) == 0 && counted_addresses(server) == 0; }));
}

TEST(RoomPerAddress, AReloadChangesIt) {
  const TempDir folder;
  const Server server(folder, config("", "connections_per_address = 1"));
  std::vector<Client> clients;
  clients.push_back(server.connect());
  EXPECT_TRUE(served(clients.back()));
  EXPECT_TRUE(server.connect().closed());
  ASSERT_EQ(server.reload(config("")).status, 0);
  for (int i = 0; i < 5; ++i) {
    clients.push_back(server.connect());
    EXPECT_TRUE(served(clients.back()));
  }
  ASSERT_EQ(server.reload(config("", "connections_per_address = 2")).status, 0);
  EXPECT_TRUE(server.connect().closed()) << "those from before the limit are counted";
  for (Client& client : clients) EXPECT_TRUE(served(client));
}

TEST(RoomPerAddress, UnixSocketsHaveNone) {
  const TempDir folder;
  const Server server(folder,
                      config("", "connections_per_address = 1", "[[listen]]\naddress = \"unix:s.sock\"\n"));
  std::vector<Client> clients;
  for (int i = 0; i < 3; ++i) {
    clients.push_back(server.connect());
    EXPECT_TRUE(served(clients.back()));
  }
}

}  // namespace
}  // namespace baton::test
