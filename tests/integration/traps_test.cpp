// Properties of the running server that were each found by experiment: without them it stalls, spins or loses
// events.
#include <gtest/gtest.h>
#include <linux/kcmp.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "tests/support/observe.h"
#include "tests/support/server.h"
#include "tests/support/wait.h"

namespace baton::test {
namespace {

std::string answering(const std::string& settings = "") {
  return "[server]\nworkers = 2\n" + settings +
         "\n[[site]]\n[[site.route]]\npath = \"/\"\nrespond = { body = \"x\" }\n";
}

long compare(pid_t a, pid_t b, int what) {
  return ::syscall(SYS_kcmp, a, b, what, 0, 0);
}

TEST(Traps, AllProcessesShareOneDescriptorTableAndNothingElse) {
  const TempDir folder;
  const Server server(folder, answering());
  for (const pid_t worker : server.workers()) {
    EXPECT_EQ(compare(server.pid(), worker, KCMP_FILES), 0);
    EXPECT_GT(compare(server.pid(), worker, KCMP_VM), 0);
  }
}

// Growing a shared table stalls every process that uses it.
TEST(Traps, TheDescriptorTableIsGrownBeforeItIsShared) {
  const TempDir folder;
  const Server server(folder, answering("max_connections = 2000"));
  const auto table_size = [&](pid_t pid) { return std::stoul(status_field(pid, "FDSize")); };
  const unsigned long before = table_size(server.pid());
  EXPECT_GE(before, 2000U);
  EXPECT_GE(before, server.segment().connections().size());
  std::vector<Client> clients;
  for (int i = 0; i < 300; ++i) clients.push_back(server.connect());
  EXPECT_EQ(clients.back().get("/").body, "x");
  EXPECT_EQ(table_size(server.pid()), before);
  for (const pid_t worker : server.workers()) EXPECT_EQ(table_size(worker), before);
}

// Each arrival may wake a worker once; a head that is incomplete must not.
TEST(Traps, AHalfHeadDoesNotSpin) {
  const TempDir folder;
  const Server server(folder, answering("[limits]\nheader_bytes = \"64K\"\n[timeouts]\nheader = \"1s\""));
  Client client = server.connect();
  client.send("GET / HTTP/1.1\r\nHost: x\r\n");
  const std::uint64_t before = server.total(&Counters::wakeups);
  constexpr int kPieces = 60;
  for (int i = 0; i < kPieces; ++i) client.send("A: " + std::string(995, 'a') + "\r\n");
  ASSERT_TRUE(wait_until([&] { return server.total(&Counters::timeouts) == 1; }));
  EXPECT_EQ(client.receive().status, 408);
  EXPECT_LE(server.total(&Counters::wakeups) - before, static_cast<std::uint64_t>(2 * kPieces + 10));
}

// The same where a low-water mark does not help.
TEST(Traps, AHalfHeadDoesNotSpinOnAUnixSocket) {
  const TempDir folder;
  const std::string path = (folder.path() / "a.sock").string();
  const Server server(folder,
                      answering("[timeouts]\nheader = \"1s\"\n[[listen]]\naddress = \"unix:" + path + "\""));
  Client client = Client::connect_unix(path);
  constexpr int kPieces = 60;
  client.send("GET / HTTP/1.1\r\n");
  for (int i = 0; i < kPieces; ++i) client.send("A: a\r\n");
  ASSERT_TRUE(wait_until([&] { return server.total(&Counters::timeouts) == 1; }));
  EXPECT_EQ(client.receive().status, 408);
  EXPECT_LE(server.total(&Counters::wakeups), static_cast<std::uint64_t>(2 * kPieces + 10));
}

}  // namespace
}  // namespace baton::test
