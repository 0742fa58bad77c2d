// A module's dictionary in the real server, with the counter example: through deaths, reload and upgrade.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>

#include <atomic>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <string>
#include <thread>
#include <vector>

#include "tests/support/example.h"
#include "tests/support/observe.h"
#include "tests/support/server.h"
#include "tests/support/wait.h"

namespace baton::test {
namespace {

namespace fs = std::filesystem;

std::string counter_config(const TempDir& folder) {
  return "[server]\nworkers = 2\n" + example_config("counter", folder);
}

std::int64_t value_of(const Response& response) {
  return nlohmann::json::parse(response.body).at("value");
}

// A POST is not begun again: where its worker is killed the client gets 500, and the count has happened or
// not.
TEST(DictModule, KillingWorkersCostsNoCountButTheirOwn) {
  constexpr int kClients = 4;
  constexpr int kKills = 40;
  constexpr std::uint64_t kBetweenKills = 25;
  const TempDir folder;
  const Server server(folder, counter_config(folder));
  std::atomic<bool> done{false};
  std::atomic<std::uint64_t> counted{0};
  std::atomic<std::uint64_t> failed{0};
  std::atomic<std::uint64_t> broken{0};
  std::vector<std::thread> clients;
  for (int i = 0; i < kClients; ++i) {
    clients.emplace_back([&] {
      try {
        Client client = server.connect();
        while (!done) {
          const int status = client.ask("POST", "/apples", "", "").status;
          ++(status == 200 ? counted : status == 500 ? failed : broken);
        }
      } catch (const std::runtime_error&) {
        ++broken;
      }
    });
  }
  for (int kill = 0; kill < kKills; ++kill) {
    const std::uint64_t before = counted;
    EXPECT_TRUE(wait_until([&] { return counted >= before + kBetweenKills && !server.workers().empty(); }));
    const std::vector<pid_t> workers = server.workers();
    if (!workers.empty()) ::kill(workers[static_cast<std::size_t>(kill) % workers.size()], SIGKILL);
  }
  done = true;
  for (std::thread& client : clients) client.join();
  EXPECT_EQ(broken, 0U) << "no connection is lost";
  const auto value = static_cast<std::uint64_t>(value_of(server.connect().get("/apples")));
  EXPECT_GE(value, counted);
  EXPECT_LE(value, counted + failed);
  const nlohmann::json dicts = stats(server)["dicts"];
  EXPECT_EQ(dicts.at(0).at("damages"), 0);
  EXPECT_EQ(dicts.at(0).at("entries"), 1);
}

TEST(DictModule, CountsGoOnOverReloadAndUpgrade) {
  const TempDir folder;
  const std::string program = (folder.path() / "baton").string();
  fs::copy_file(baton_binary(), program);
  const Server server(folder, counter_config(folder), program);
  Client client = server.connect();
  EXPECT_EQ(value_of(client.ask("POST", "/apples?by=40")), 40);
  EXPECT_EQ(server.ctl({"reload"}).status, 0);
  EXPECT_EQ(value_of(client.ask("POST", "/apples")), 41);
  fs::copy_file(next_baton_binary(), program + ".new");
  fs::rename(program + ".new", program);
  const Finished upgrade = server.ctl({"upgrade"});
  EXPECT_EQ(upgrade.status, 0) << upgrade.err;
  EXPECT_EQ(value_of(client.ask("POST", "/apples")), 42);
}

}  // namespace
}  // namespace baton::test
