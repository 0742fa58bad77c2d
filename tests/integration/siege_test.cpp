// The short form of `make siege`: while hostile clients do what they can, a good one is served, and nobody
// dies. How long it takes says nothing beside other tests; what is asserted is that it comes, and what became
// of the others.
#include <gtest/gtest.h>
#include <poll.h>
#include <sys/socket.h>

#include <atomic>
#include <cerrno>
#include <functional>
#include <thread>

#include "tests/integration/shared_server.h"
#include "tests/support/modules.h"
#include "tests/support/observe.h"
#include "tests/support/wait.h"

namespace baton::test {
namespace {

constexpr int kMost = 40;  // connections
constexpr int kServed = 30;

std::string repeated(const std::string& text, std::size_t bytes) {
  std::string all;
  while (all.size() < bytes) all += text;
  return all;
}

// Runs until `over`; an attacker whose connection is ended makes another one.
using Attack = std::function<void(const Server&, const std::atomic<bool>& over)>;

struct Siege {
  const char* name;
  int attackers;
  Attack attack;
};

// So many connections more each time that say `words` and then nothing.
Attack holding(int many, const std::string& words) {
  return [many, words](const Server& server, const std::atomic<bool>& over) {
    std::vector<Client> clients;
    while (!over) {
      for (int i = 0; i < many; ++i) {
        clients.push_back(server.connect());
        ::send(clients.back().fd(), words.data(), words.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
      }
      if (clients.size() > std::size_t{4} * kMost) clients.erase(clients.begin(), clients.begin() + many);
      std::this_thread::sleep_for(std::chrono::milliseconds(5));
    }
  };
}

// Sends `again` without end, and reads what comes, until the connection is.
void flood(const Client& client, const std::string& again, const std::atomic<bool>& over) {
  char scratch[16 * 1024];
  for (std::size_t at = 0; !over;) {
    const ssize_t sent =
        ::send(client.fd(), again.data() + at, again.size() - at, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (sent > 0) at = (at + static_cast<std::size_t>(sent)) % again.size();
    if (sent < 0 && errno != EAGAIN) return;
    const ssize_t got = ::recv(client.fd(), scratch, sizeof scratch, MSG_DONTWAIT);
    if (got == 0 || (got < 0 && errno != EAGAIN)) return;
    pollfd either{client.fd(), POLLIN | POLLOUT, 0};
    ::poll(&either, 1, 10);
  }
}

Attack flooding(const std::string& first, const std::string& again) {
  return [first, again](const Server& server, const std::atomic<bool>& over) {
    while (!over) {
      const Client client = server.connect();
      ::send(client.fd(), first.data(), first.size(), MSG_NOSIGNAL);
      flood(client, again, over);
    }
  };
}

std::string chunked() {
  return "PUT /module/large HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n";
}

const std::vector<Siege>& sieges() {
  const std::string get = "GET /files/small HTTP/1.1\r\nHost: x\r\n";
  static const std::vector<Siege> all{
      {"silent", 1, holding(10, "")},
      {"idle", 1, holding(10, get + "\r\n")},
      {"partial", 1, holding(10, get)},
      {"one_byte_chunks", 3, flooding(chunked(), repeated("1\r\nx\r\n", 60'000))},
      {"two_byte_chunks", 3, flooding(chunked(), repeated("2\r\nxx\r\n", 60'000))},
      {"pipelined", 3, flooding("", repeated("GET /none HTTP/1.1\r\nHost: x\r\n\r\n", 20'000))},
      {"ranges", 3, flooding("", repeated(get + "Range: bytes=0-0,2-2,4-4,6-6,8-8\r\n\r\n", 20'000))},
      {"listings", 3, flooding("", repeated("GET /files/large/ HTTP/1.1\r\nHost: x\r\n\r\n", 2'000))},
      {"lists", 3,
       flooding(
           "", get + "Accept: " + repeated("a/b;q=0.1,", 7'000) + "\r\n" + repeated("a:\r\n", 300) + "\r\n")},
  };
  return all;
}

class Besieged : public ::testing::TestWithParam<Siege> {};

TEST_P(Besieged, AGoodClientIsServed) {
  const TempDir folder;
  folder.write("files/small", "small");
  for (int i = 0; i < 1'000; ++i) folder.write("files/large/" + std::to_string(i), "");
  const Server server(folder,
                      "[server]\nworkers = 2\nmax_connections = " + std::to_string(kMost) +
                          "\n[limits]\nspool_memory = 0\n[[site]]\n[[site.route]]\npath = \"/files/\"\n"
                          "static = { root = \"files\", listing = true }\n" +
                          module_route("/module", module_file("good")));
  std::atomic<bool> over = false;
  std::vector<std::thread> attackers;
  for (int i = 0; i < GetParam().attackers; ++i)
    attackers.emplace_back([&] { GetParam().attack(server, over); });
  const bool begun = wait_until([&] { return server.total(&Counters::wakeups) > 100; });
  int served = 0;
  // A client that took long to say its first word may have been closed for others.
  for (int tries = 0; tries < 10 * kServed && served < kServed && begun; ++tries) {
    try {
      served += server.connect().get("/files/small", "Connection: close\r\n").body == "small" ? 1 : 0;
    } catch (const std::exception&) {
    }
  }
  over = true;
  for (std::thread& attacker : attackers) attacker.join();
  EXPECT_TRUE(begun);
  EXPECT_EQ(served, kServed);
  expect_no_worker_died(server);
  EXPECT_LE(server.header().connections.load(), static_cast<std::uint32_t>(kMost));
}

INSTANTIATE_TEST_SUITE_P(By, Besieged, ::testing::ValuesIn(sieges()),
                         [](const auto& each) { return std::string(each.param.name); });

}  // namespace
}  // namespace baton::test
