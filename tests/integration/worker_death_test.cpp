// Connections outlive the workers that serve them.
#include <gtest/gtest.h>
#include <signal.h>

#include <algorithm>
#include <atomic>
#include <memory>
#include <thread>

#include "tests/support/bulk.h"
#include "tests/support/observe.h"
#include "tests/support/sanitizers.h"
#include "tests/support/server.h"
#include "tests/support/wait.h"

namespace baton::test {
namespace {

const char kConfig[] =
    "[server]\nworkers = 2\n[[site]]\n[[site.route]]\npath = \"/\"\nrespond = { body = \"x\" }\n"
    "[[site.route]]\npath = \"/files\"\nstatic = { root = \"root\" }\n";

TempDir& with_root(TempDir& folder) {
  folder.write("root/a", "a");
  return folder;
}

// Kills `victim` and waits until another process serves in its place.
void kill_and_wait(const Server& server, pid_t victim, int signal) {
  const std::size_t count = server.workers().size();
  ::kill(victim, signal);
  ASSERT_TRUE(wait_until([&] {
    const std::vector<pid_t> now = server.workers();
    return now.size() == count && std::find(now.begin(), now.end(), victim) == now.end();
  })) << server.log();
}

TEST(WorkerDeath, AKilledWorkerIsReplacedAndNoConnectionNotices) {
  constexpr std::uint64_t kBig = 24 << 20;
  const TempDir folder;
  write_pattern(folder, "root/big", kBig);
  const Server server(folder, kConfig);
  Client idle = server.connect();
  EXPECT_EQ(idle.get("/").body, "x");
  Client half = server.connect();
  half.send("GET / HTTP/1.1\r\nHo");
  Download download(server.port(), "/files/big", kBig);
  ASSERT_TRUE(wait_until(
      [&] { return count_armed(server, Phase::kParked) == 1 && count_armed(server, Phase::kHead) == 2; }));
  for (const pid_t worker : server.workers()) kill_and_wait(server, worker, SIGKILL);

  half.send("st: x\r\n\r\n");
  EXPECT_EQ(half.receive().body, "x");
  EXPECT_EQ(idle.get("/").body, "x");
  EXPECT_TRUE(download.read_rest());
  EXPECT_TRUE(download.complete());
  EXPECT_EQ(download.client().get("/").body, "x");
  EXPECT_EQ(server.total(&Counters::closed), 0U);
  EXPECT_EQ(stats(server)["totals"]["restarts"], 2);
  EXPECT_EQ(stats(server)["totals"]["requests"], 5) << "what the dead counted still counts";
  EXPECT_TRUE(log_has(server, "killed by signal 9 (SIGKILL)"));
}

TEST(WorkerDeath, ACrashIsLoggedWithItsSignal) {
  TempDir folder;
  const SanitizersLeave the_signal_alone;
  const Server server(with_root(folder), kConfig);
  const pid_t victim = server.workers().front();
  kill_and_wait(server, victim, SIGSEGV);
  EXPECT_TRUE(log_has(server, "(pid " + std::to_string(victim) + ") killed by signal 11 (SIGSEGV)"));
  EXPECT_EQ(server.connect().get("/").body, "x");
}

// Some parents ignore SIGCHLD, and a program they start inherits that: the kernel then reaps its children.
TEST(WorkerDeath, IsNoticedWhereTheParentIgnoresSigchld) {
  TempDir folder;
  with_root(folder);
  const auto before = ::signal(SIGCHLD, SIG_IGN);
  const Server server(folder, kConfig);
  ::signal(SIGCHLD, before);
  kill_and_wait(server, server.workers().front(), SIGKILL);
  EXPECT_EQ(server.connect().get("/").body, "x");
}

// Reads a large file without haste until it has all or the connection ends.
struct SlowReader {
  std::unique_ptr<Download> download;
  std::atomic<bool> done{false};
  std::jthread thread;

  SlowReader(std::uint16_t port, std::uint64_t size)
      : download(std::make_unique<Download>(port, "/files/big", size)), thread([this] {
          // Small reads from a small window: the server parks and resumes all the time.
          while (download->exact() && !download->complete() && download->read(16 * 1024)) {
          }
          done = true;
        }) {}
};

// A worker that is killed inside the first write of a response, before the rest is parked, takes that one
// connection with it; those here are parked before the next kill, so resuming is under test, and must be
// exact.
TEST(WorkerDeath, DownloadsAreExactThroughAStormOfKills) {
  constexpr std::uint64_t kBig = 50 << 20;
  constexpr int kKills = 200;
  const TempDir folder;
  write_pattern(folder, "root/big", kBig);
  const Server server(folder, kConfig);
  std::vector<std::unique_ptr<SlowReader>> readers;
  for (int i = 0; i < 4; ++i) readers.push_back(std::make_unique<SlowReader>(server.port(), kBig));
  int ended_early = 0;
  int kills = 0;
  const auto replace_ended = [&] {  // so that all kills meet downloads in progress
    for (auto& reader : readers) {
      if (!reader->done) continue;
      reader->thread.join();
      EXPECT_TRUE(reader->download->exact());
      if (!reader->download->complete()) ++ended_early;
      if (kills < kKills) {
        reader = std::make_unique<SlowReader>(server.port(), kBig);
      } else {
        reader.reset();
      }
    }
    std::erase(readers, nullptr);
  };
  while (kills < kKills) {
    ASSERT_TRUE(wait_until([&] {
      const auto ended =
          std::count_if(readers.begin(), readers.end(), [](const auto& r) { return r->done.load(); });
      return count_armed(server, Phase::kParked) + static_cast<std::size_t>(ended) >= readers.size();
    }));
    const std::vector<pid_t> workers = server.workers();
    ASSERT_EQ(workers.size(), 2U);
    kill_and_wait(server, workers[static_cast<std::size_t>(kills) % 2], SIGKILL);
    ++kills;
    replace_ended();
  }
  while (!readers.empty()) {
    ASSERT_TRUE(wait_until([&] { return readers.front()->done.load(); }));
    replace_ended();
  }
  EXPECT_EQ(ended_early, 0);
  EXPECT_GE(stats(server)["totals"]["restarts"], kKills);
  EXPECT_EQ(server.connect().get("/").body, "x");
}

TEST(WorkerDeath, AStoppedWorkerHoldsUpNobody) {
  TempDir folder;
  const Server server(with_root(folder), kConfig);
  std::vector<Client> clients;
  for (int i = 0; i < 10; ++i) clients.push_back(server.connect());
  for (const pid_t worker : server.workers()) {
    // What it has in hand when it is stopped waits with it: let that be nothing.
    ASSERT_TRUE(wait_until([&] {
      return count_connections(server) == clients.size() &&
             count_armed(server, Phase::kHead) == clients.size();
    }));
    const Stopped stopped(worker);
    for (int round = 0; round < 20; ++round) {
      for (Client& client : clients) ASSERT_EQ(client.get("/").body, "x");
      ASSERT_EQ(server.connect().get("/").body, "x");
    }
  }
  for (Client& client : clients) EXPECT_EQ(client.get("/").body, "x");
}

// The lost wake-up: a worker that was woken for an event is killed before it collects it, or just after.
TEST(WorkerDeath, ARequestThatArrivesAsAWorkerDiesIsAnswered) {
  TempDir folder;
  const Server server(with_root(folder), kConfig);
  for (std::size_t i = 0; i < 200; ++i) {
    Client client = server.connect();
    ASSERT_EQ(client.get("/").body, "x");
    std::vector<pid_t> workers;
    ASSERT_TRUE(wait_until([&] {  // nobody has anything in hand
      workers = server.workers();
      return workers.size() == 2 && count_connections(server) == 1 && count_armed(server, Phase::kHead) == 1;
    }));
    client.send("GET / HTTP/1.1\r\nHost: x\r\n\r\n");
    ::kill(workers[i % 2], SIGKILL);
    ASSERT_EQ(client.receive().body, "x") << "round " << i;
  }
}

}  // namespace
}  // namespace baton::test
