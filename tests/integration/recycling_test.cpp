// Workers that are replaced because they have served enough, or hold too much memory. No client sees it: the
// successor is ready before the old one goes.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>

#include <algorithm>
#include <atomic>
#include <filesystem>
#include <map>
#include <set>
#include <thread>

#include "common/base/clock.h"
#include "common/stats/stats.h"
#include "tests/support/bulk.h"
#include "tests/support/modules.h"
#include "tests/support/observe.h"
#include "tests/support/sanitizers.h"
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

std::string module_config(const std::string& limits, int workers) {
  return config(limits, workers) + module_route("/m", module_file("starter"));
}

class RecyclingTest : public testing::Test {
 protected:
  RecyclingTest() { folder_.write("root/a", "a"); }

  static std::uint64_t restarts(const Server& server) {
    std::map<std::uint32_t, std::uint64_t> most;  // a worker and its successor have one number
    for (const WorkerEntry& entry : server.segment().scoreboard()) {
      if (entry.state.load() == WorkerState::kEmpty) continue;
      std::uint64_t& of_ordinal = most[entry.ordinal.load()];
      of_ordinal = std::max<std::uint64_t>(of_ordinal, entry.restarts.load());
    }
    std::uint64_t sum = 0;
    for (const auto& [ordinal, restarts] : most) sum += restarts;
    return sum;
  }
  static void expect_no_failure(const Server& server) {
    EXPECT_THAT(server.log(), Not(HasSubstr("[warning]")));
    EXPECT_THAT(server.log(), Not(HasSubstr("[error]")));
    EXPECT_EQ(stats(server)["totals"]["failing"], 0);
  }

  // The module's on_worker_start goes no further while there is such a file.
  void ask_for(const std::string& name) const { folder_.write(name, ""); }
  void no_more(const std::string& name) const { std::filesystem::remove(folder_.path() / name); }

  // Processes in one state, by the scoreboard.
  static std::vector<pid_t> in_state(const Server& server, WorkerState state) {
    std::vector<pid_t> pids;
    for (const WorkerEntry& entry : server.segment().scoreboard()) {
      if (entry.state.load() == state) pids.push_back(entry.pid.load());
    }
    return pids;
  }
  static std::size_t processes(const Server& server) {
    const auto& scoreboard = server.segment().scoreboard();
    return static_cast<std::size_t>(std::count_if(
        scoreboard.begin(), scoreboard.end(), [](const WorkerEntry& entry) { return entry.has_process(); }));
  }
  // The one that starts, once there is one.
  static pid_t successor(const Server& server) {
    EXPECT_TRUE(wait_until([&] {
      const auto starting = in_state(server, WorkerState::kStarting);
      return starting.size() == 1 && starting.front() > 0;
    })) << server.log();
    const auto starting = in_state(server, WorkerState::kStarting);
    return starting.empty() ? -1 : starting.front();
  }
  // Asks for so long: the master looks at memory once a second.
  static void keep_asking(Client& client, std::chrono::milliseconds time) {
    const std::uint64_t end = monotonic_ns() + static_cast<std::uint64_t>(time.count()) * 1'000'000U;
    while (monotonic_ns() < end) ASSERT_EQ(client.get("/").body, "x");
  }
  static std::size_t count(const std::string& text, const std::string& part) {
    std::size_t n = 0;
    for (std::size_t at = 0; (at = text.find(part, at)) != std::string::npos; ++at) ++n;
    return n;
  }

  TempDir folder_;
};

TEST_F(RecyclingTest, AWorkerIsReplacedAfterItsShareOfRequests) {
  const Server server(folder_, config("requests_per_worker = 100"));
  Client client = server.connect();
  Client half = server.connect();
  half.send("GET / HTTP/1.1\r\nHo");
  std::uint64_t answered = 0;
  ASSERT_TRUE(wait_until([&] {
    for (int i = 0; i < 10; ++i) answered += client.get("/").body == "x" ? 1 : 0;
    return restarts(server) >= 4;
  }));
  half.send("st: x\r\n\r\n");
  EXPECT_EQ(half.receive().body, "x");
  // Those that are gone had served 100 at least: they go on until there is another in their place.
  EXPECT_LE(restarts(server), answered / 100);
  EXPECT_THAT(server.log(), HasSubstr(" requests, requests_per_worker is 100; pid "));
  EXPECT_EQ(stats(server)["totals"]["requests"], answered + 1);
  expect_no_failure(server);
}

TEST_F(RecyclingTest, EvenAfterEachRequest) {
  const Server server(folder_, config("requests_per_worker = 1"));
  std::vector<Client> clients;
  for (int i = 0; i < 4; ++i) clients.push_back(server.connect());
  std::set<pid_t> seen;
  // Each has its turn: as many replacements as there are workers, and as many again.
  ASSERT_TRUE(wait_until([&] {
    for (Client& client : clients)
      client.send("GET / HTTP/1.1\r\nHost: x\r\n\r\nGET /files/a HTTP/1.1\r\nHost: x\r\n\r\n");
    for (Client& client : clients) {
      if (client.receive().body != "x" || client.receive().body != "a") return true;
    }
    for (const pid_t pid : server.workers()) seen.insert(pid);
    return seen.size() >= 8;
  }));
  const auto& scoreboard = server.segment().scoreboard();
  EXPECT_TRUE(std::all_of(scoreboard.begin(), scoreboard.end(), [](const WorkerEntry& entry) {
    return entry.state.load() != WorkerState::kReady || entry.restarts.load() > 0;
  }));
  EXPECT_EQ(server.total(&Counters::closed), 0U);
  expect_no_failure(server);
}

TEST_F(RecyclingTest, TheOldOneServesUntilItsSuccessorIsReady) {
  Server server(folder_, module_config("requests_per_worker = 3", 1));
  ask_for("hold");
  Client client = server.connect();
  const std::string first = client.get("/m/pid").body;
  for (int i = 0; i < 10; ++i) ASSERT_EQ(client.get("/m/pid").body, first);
  const pid_t next = successor(server);
  for (int i = 0; i < 100; ++i) ASSERT_EQ(server.connect().get("/m/pid").body, first);
  EXPECT_EQ(server.workers(), std::vector<pid_t>{std::stoi(first)});
  // Both are worker 0, and one restart it is.
  const nlohmann::json both = stats(server)["workers"];
  ASSERT_EQ(both.size(), 2U);
  EXPECT_EQ(both[0]["worker"], 0);
  EXPECT_EQ(both[1]["worker"], 0);
  EXPECT_EQ(stats(server)["totals"]["restarts"], 1);
  no_more("hold");
  ASSERT_TRUE(wait_until([&] { return client.get("/m/pid").body == std::to_string(next); }));
  EXPECT_TRUE(wait_until([&] { return gone(std::stoi(first)); }));
  EXPECT_EQ(server.total(&Counters::accepted), 101U);
  expect_no_failure(server);
}

TEST_F(RecyclingTest, OneAfterTheOtherWhenAllHaveHadTheirShare) {
  constexpr int kWorkers = 4;
  Server server(folder_, module_config("worker_memory = \"100M\"", kWorkers));
  const std::vector<pid_t> before = server.workers();
  ask_for("hold");
  // Each of them grows, in whatever order they come.
  std::set<std::string> grown;
  ASSERT_TRUE(wait_until([&] {
    std::vector<std::unique_ptr<Stopped>> stopped;
    for (const pid_t pid : before)
      if (grown.contains(std::to_string(pid))) stopped.push_back(std::make_unique<Stopped>(pid));
    grown.insert(server.connect().get("/m/grow/120").body);
    return grown.size() == kWorkers;
  }));
  const pid_t next = successor(server);
  no_more("hold");
  std::size_t most = 0;
  ASSERT_TRUE(wait_until([&] {
    most = std::max(most, processes(server));
    const std::vector<pid_t> now = server.workers();
    return now.size() == kWorkers &&
           std::find_first_of(now.begin(), now.end(), before.begin(), before.end()) == now.end();
  })) << server.log();
  EXPECT_LE(most, kWorkers + 1U);
  EXPECT_GT(next, 0);
  EXPECT_TRUE(wait_until([&] { return gone(before); }));
  EXPECT_EQ(count(server.log(), " of memory, worker_memory is 100M"), kWorkers + 0U);
  expect_no_failure(server);
}

TEST_F(RecyclingTest, AnOldOneWithALongRequestFinishesIt) {
  Server server(folder_, module_config("requests_per_worker = 2", 1));
  Client slow = server.connect();
  ask_for("hold");
  EXPECT_EQ(server.connect().get("/m/pid").status, 200);
  const pid_t old = server.workers().front();
  EXPECT_EQ(server.connect().get("/m/pid").status, 200);
  EXPECT_GT(successor(server), 0);
  slow.send("GET /m/gate/slow HTTP/1.1\r\nHost: x\r\n\r\n");
  ASSERT_TRUE(wait_until([&] { return counted(folder_, "entered-slow") == 1; }));
  no_more("hold");
  // The successor serves meanwhile, and what leaves is shown as such.
  Client other = server.connect();
  EXPECT_NE(other.get("/m/pid").body, std::to_string(old));
  EXPECT_TRUE(wait_until([&] {
    const nlohmann::json workers = stats(server)["workers"];
    return std::any_of(workers.begin(), workers.end(), [old](const nlohmann::json& worker) {
      return worker["pid"] == old && worker["state"] == "retiring";
    });
  })) << stats(server)["workers"];
  ask_for("open-slow");
  EXPECT_EQ(slow.receive().body, std::to_string(old));
  EXPECT_TRUE(wait_until([&] { return gone(old); }));
  EXPECT_EQ(slow.get("/m/pid").status, 200);
  expect_no_failure(server);
}

TEST_F(RecyclingTest, ASuccessorThatCannotStartIsSaidOnceAndTriedAgain) {
  const SanitizersLeave the_crashes_alone;
  for (const std::string way : {"refuse", "fail"}) {
    SCOPED_TRACE(way);
    const TempDir folder;
    folder.write("root/a", "a");
    const Server server(folder, module_config("requests_per_worker = 3", 1));
    folder.write(way, "");
    Client client = server.connect();
    const std::string first = client.get("/m/pid").body;
    ASSERT_TRUE(
        wait_until([&] { return client.get("/m/pid").body == first && counted(folder, "begun") >= 4; }));
    EXPECT_EQ(count(server.log(), "worker 0 (pid " + first + ") goes on, because it cannot be replaced yet"),
              1U)
        << server.log();
    EXPECT_EQ(count(server.log(), "on_worker_start fails"), way == "refuse" ? 2U : 0U)
        << "by the worker, by the master; " << server.log();
    EXPECT_EQ(stats(server)["totals"]["failing"], 0) << "one serves in its place";
    std::filesystem::remove(folder.path() / way);
    ASSERT_TRUE(wait_until([&] { return client.get("/m/pid").body != first; }));
    EXPECT_TRUE(wait_until([&] { return count(server.log(), " failed tries") == 1; }));
  }
}

TEST_F(RecyclingTest, DeathsInTheMiddleOfItCostNobodyAnything) {
  Server server(folder_, module_config("requests_per_worker = 3", 1));
  ask_for("hold");
  Client client = server.connect();
  for (int i = 0; i < 5; ++i) EXPECT_EQ(client.get("/m/pid").status, 200);
  const pid_t old = server.workers().front();
  // Of the successor: the old one goes on, and another successor comes.
  const pid_t killed = successor(server);
  ASSERT_TRUE(wait_until([&] { return counted(folder_, "begun") == 2; }));
  ::kill(killed, SIGKILL);
  ASSERT_TRUE(wait_until([&] { return gone(killed); }));
  EXPECT_EQ(client.get("/m/pid").body, std::to_string(old));
  ASSERT_TRUE(wait_until([&] { return successor(server) != killed; }));
  const pid_t second = successor(server);
  ASSERT_TRUE(wait_until([&] { return counted(folder_, "begun") == 3; }));
  // Of the old one: the successor has its place, and nobody else is started.
  ::kill(old, SIGKILL);
  ASSERT_TRUE(wait_until([&] { return gone(old); }));
  client.send("GET /m/pid HTTP/1.1\r\nHost: x\r\n\r\n");
  no_more("hold");
  EXPECT_EQ(client.receive().body, std::to_string(second));
  EXPECT_EQ(server.total(&Counters::closed), 0U);
  EXPECT_EQ(counted(folder_, "begun"), 3U);
}

TEST_F(RecyclingTest, AStopOrAReloadInTheMiddleOfItWaitsForNoSuccessor) {
  const std::string text = module_config("requests_per_worker = 3", 1);
  Server server(folder_, text);
  Client client = server.connect();
  const auto begin = [&] {
    ask_for("hold");
    for (int i = 0; i < 5; ++i) EXPECT_EQ(client.get("/m/pid").status, 200);
    const pid_t pid = successor(server);
    return pid;
  };
  const pid_t dismissed = begin();
  server.signal(SIGHUP);
  EXPECT_TRUE(wait_until([&] { return gone(dismissed); }));
  no_more("hold");
  EXPECT_TRUE(wait_until([&] { return stats(server)["server"]["generation"] == 2; }));
  const pid_t second = begin();
  client.close();
  EXPECT_EQ(server.stop(), 0) << server.log();
  EXPECT_TRUE(gone(second));
  EXPECT_THAT(server.log(), Not(HasSubstr("[error]")));
  EXPECT_THAT(server.log(), Not(HasSubstr("[warning]")));
}

TEST_F(RecyclingTest, AnUpgradeInTheMiddleOfItIsNotHeldUp) {
  Server server(folder_, module_config("requests_per_worker = 3", 1));
  ask_for("hold");
  Client client = server.connect();
  for (int i = 0; i < 5; ++i) EXPECT_EQ(client.get("/m/pid").status, 200);
  const pid_t dismissed = successor(server);
  server.signal(SIGUSR2);
  EXPECT_TRUE(wait_until([&] { return gone(dismissed); }));
  no_more("hold");
  ASSERT_TRUE(wait_until([&] { return read_report(server.header().upgrade).has_value(); }));
  EXPECT_TRUE(read_report(server.header().upgrade)->ok) << server.log();
  EXPECT_EQ(client.get("/m/pid").status, 200);
}

TEST_F(RecyclingTest, AWorkerWithTooMuchMemoryIsReplaced) {
  constexpr std::uint64_t kBig = 24 << 20;
  write_pattern(folder_, "root/big", kBig);
  const Server server(folder_, module_config("worker_memory = \"100M\"", 2));
  Client client = server.connect();
  Download download(server.port(), "/files/big", kBig);
  const std::vector<pid_t> first = server.workers();
  ASSERT_TRUE(wait_until(
      [&] { return client.get("/m/grow/120").status != 200 || (restarts(server) >= 4 && gone(first)); }));
  EXPECT_TRUE(gone(first));
  EXPECT_TRUE(download.read_rest());
  EXPECT_TRUE(download.complete());
  EXPECT_THAT(server.log(), HasSubstr(" of memory, worker_memory is 100M; pid "));
  expect_no_failure(server);
}

// A busy worker does not take a signal: an event that is ready comes first.
TEST_F(RecyclingTest, AlsoWhileItIsBusy) {
  const Server server(folder_, config("requests_per_worker = 500", 1));
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

// What each worker has in memory from the start, so that a limit of 1 MiB is always exceeded.
std::string large_route() {
  return "[[site.route]]\npath = \"/large\"\nrespond = { body = \"" + std::string(900'000, 'l') + "\" }\n";
}

TEST_F(RecyclingTest, ALimitBelowWhatAWorkerHoldsFromItsStartIsSaidOnceAndReplacesNobody) {
  const std::string text = config("worker_memory = \"1M\"") + large_route();
  const Server server(folder_, text);
  const std::vector<pid_t> before = server.workers();
  Client client = server.connect();
  keep_asking(client, std::chrono::milliseconds(3200));
  EXPECT_EQ(server.workers(), before);
  const std::string said = "worker_memory is 1.0M, but a worker holds ";
  EXPECT_EQ(count(server.log(), said), 1U) << server.log();
  // With what is said to do there is nothing to say.
  const std::string log = server.log();
  const std::size_t end = log.find(" would do");
  ASSERT_NE(end, std::string::npos);
  const std::size_t begin = log.rfind(' ', end - 1) + 1;
  const std::string number = std::to_string(std::stoi(log.substr(begin))) + "M";
  EXPECT_EQ(server.reload(config("worker_memory = \"" + number + "\"") + large_route()).status, 0);
  const std::vector<pid_t> after = server.workers();
  keep_asking(client, std::chrono::milliseconds(2200));
  EXPECT_EQ(server.workers(), after);
  EXPECT_EQ(count(server.log(), "but a worker holds"), 1U);
}

TEST_F(RecyclingTest, ALimitThatIsNotReachedReplacesNobody) {
  const Server server(folder_, config("worker_memory = \"1G\"\nrequests_per_worker = 1000000"));
  const std::vector<pid_t> before = server.workers();
  Client client = server.connect();
  keep_asking(client, std::chrono::milliseconds(2200));
  EXPECT_EQ(server.workers(), before);
}

}  // namespace
}  // namespace baton::test
