// A reload replaces the workers and the configuration, and no client notices.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

#include <filesystem>
#include <functional>
#include <thread>

#include "tests/support/bulk.h"
#include "tests/support/listening.h"
#include "tests/support/observe.h"
#include "tests/support/server.h"
#include "tests/support/wait.h"

namespace baton::test {
namespace {

using ::testing::HasSubstr;

constexpr char kListen[] = "[[listen]]\naddress = \"127.0.0.1:0\"\n";

std::string answering(const std::string& body, const std::string& settings = "",
                      const std::string& more = "") {
  return "[server]\nworkers = 2\n" + settings + "\n" + kListen + more +
         "[[site]]\n[[site.route]]\npath = \"/\"\nrespond = { body = \"" + body + "\" }\n";
}

std::uint64_t requests_in_generation(const Server& server, std::uint32_t generation) {
  std::uint64_t sum = 0;
  for (const WorkerEntry& entry : server.segment().scoreboard()) {
    if (entry.state.load() != WorkerState::kEmpty && entry.generation.load() == generation)
      sum += entry.counters.requests.load();
  }
  return sum;
}

// One connection in each state that a connection can be in, taken through the reload that `reload` does.
void expect_connections_survive(const std::function<void(const Server&, const std::string& config)>& reload) {
  constexpr std::uint64_t kBig = 24 << 20;
  const TempDir folder;
  write_pattern(folder, "root/big", kBig);
  const std::string config =
      static_config("root") + "[[site.route]]\npath = \"/form\"\nrespond = { body = \"ok\" }\n";
  const Server server(folder, config + kListen);

  Client idle = server.connect();
  EXPECT_EQ(idle.get("/form").body, "ok");
  Client head = server.connect();
  const std::string half = "GET /form HTTP/1.1\r\nHo";
  head.send(half);
  Client body = server.connect();
  body.send("POST /form HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nhello");
  Download download(server.port(), "/big", kBig);
  ASSERT_TRUE(wait_until([&] {
    std::size_t peeked = 0;
    for (int fd = 0; fd <= server.header().highest_fd.load(); ++fd)
      if (server.segment().connections().at(fd).peeked == half.size()) ++peeked;
    return peeked == 1 && count_armed(server, Phase::kHead) == 2 && count_armed(server, Phase::kBody) == 1 &&
           count_armed(server, Phase::kParked) == 1;
  }));

  const std::vector<pid_t> old = server.workers();
  ASSERT_EQ(old.size(), 2U);
  reload(server, config + kListen);
  ASSERT_TRUE(wait_until([&] { return gone(old); })) << server.log();
  EXPECT_EQ(server.header().generation.load(), 2U);
  EXPECT_EQ(server.workers().size(), 2U);

  EXPECT_EQ(idle.get("/form").body, "ok");
  head.send("st: x\r\n\r\n");
  EXPECT_EQ(head.receive().body, "ok");
  body.send("world");
  EXPECT_EQ(body.receive().body, "ok");
  EXPECT_TRUE(download.read_rest());
  EXPECT_TRUE(download.complete());
  EXPECT_EQ(requests_in_generation(server, 2), 3U);

  for (Client* client : {&idle, &head, &body, &download.client()}) EXPECT_EQ(client->get("/form").body, "ok");
  EXPECT_EQ(server.total(&Counters::closed), 0U);
}

TEST(Reload, ConnectionsInEveryStateSurviveBatonctlReload) {
  expect_connections_survive([](const Server& server, const std::string& config) {
    const Finished done = server.reload(config);
    EXPECT_EQ(done.status, 0) << done.err;
    EXPECT_THAT(done.out, HasSubstr("generation 2"));
  });
}

TEST(Reload, ConnectionsInEveryStateSurviveSighup) {
  expect_connections_survive([](const Server& server, const std::string&) { server.signal(SIGHUP); });
}

TEST(Reload, ListenersComeAndGo) {
  const TempDir folder;
  const std::string path = (folder.path() / "a.sock").string();
  const std::string other_path = (folder.path() / "b.sock").string();
  const auto unix_listen = [](const std::string& at) {
    return "[[listen]]\naddress = \"unix:" + at + "\"\n";
  };
  const Server server(folder, answering("x", "", unix_listen(path)));
  const std::uint16_t port = server.port();
  Client over_unix = Client::connect_unix(path);
  EXPECT_EQ(over_unix.get("/").body, "x");
  Client over_tcp = server.connect();
  EXPECT_EQ(over_tcp.get("/").body, "x");

  ASSERT_EQ(
      server.reload(answering("x", "", "[[listen]]\naddress = \"127.0.0.2:0\"\n" + unix_listen(other_path)))
          .status,
      0);
  EXPECT_EQ(server.port(), port) << "a listener that stays is the same socket";
  const std::uint16_t second = server.port(1);
  EXPECT_EQ(Client::connect_tcp(second, "127.0.0.2").get("/").body, "x");
  EXPECT_EQ(Client::connect_unix(other_path).get("/").body, "x");
  EXPECT_TRUE(wait_until([&] { return !std::filesystem::exists(path); }));

  ASSERT_EQ(server.reload(answering("x")).status, 0);
  EXPECT_EQ(server.header().listener_count.load(), 1U);
  EXPECT_TRUE(wait_until([&] { return refuses(second, "127.0.0.2"); }));
  EXPECT_TRUE(wait_until([&] { return !std::filesystem::exists(other_path); }));
  EXPECT_EQ(over_unix.get("/").body, "x") << "what was accepted stays, whatever becomes of its listener";
  EXPECT_EQ(over_tcp.get("/").body, "x");

  ASSERT_EQ(server.reload(answering("x", "", unix_listen(path))).status, 0);
  EXPECT_EQ(Client::connect_unix(path).get("/").body, "x") << "a listener can come back";
}

TEST(Reload, AnswersAndSitesChange) {
  const TempDir folder;
  const Server server(folder, answering("one"));
  Client client = server.connect();
  EXPECT_EQ(client.get("/").body, "one");
  const std::string site =
      "[[site]]\nhosts = [\"b.example\"]\n[[site.route]]\npath = \"/\"\nrespond = { body = \"b\" }\n";
  ASSERT_EQ(server.reload(answering("two") + site).status, 0);
  EXPECT_EQ(client.get("/").body, "two");
  EXPECT_EQ(client.exchange("GET / HTTP/1.1\r\nHost: b.example\r\n\r\n").body, "b");
  ASSERT_EQ(server.reload(answering("three")).status, 0);
  EXPECT_EQ(client.exchange("GET / HTTP/1.1\r\nHost: b.example\r\n\r\n").body, "three");
}

TEST(Reload, LimitsAndTimeoutsChange) {
  const TempDir folder;
  const Server server(folder, answering("x", "max_connections = 100"));
  const std::string long_field = "A: " + std::string(2'000, 'a') + "\r\n";
  Client client = server.connect();
  EXPECT_EQ(client.get("/", long_field).status, 200);
  ASSERT_EQ(server
                .reload(answering("x",
                                  "max_connections = 50\n[limits]\nheader_bytes = 1024\nbody_bytes = 3\n"
                                  "[timeouts]\nkeep_alive = \"200ms\"\n"))
                .status,
            0);
  EXPECT_EQ(server.header().max_connections.load(), 50U);
  EXPECT_EQ(server.connect().get("/", long_field).status, 431);
  EXPECT_EQ(server.connect().exchange("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n\r\nabcd").status,
            413);
  EXPECT_EQ(client.get("/").status, 200);
  EXPECT_TRUE(client.closed()) << "the new keep-alive time is over";
}

TEST(Reload, WorkersGrowAndShrinkInNumber) {
  const TempDir folder;
  const Server server(folder, answering("x"));
  Client client = server.connect();
  const auto with_workers = [](int count) {
    std::string config = answering("x");
    return config.replace(config.find("workers = 2"), 11, "workers = " + std::to_string(count));
  };
  for (const int count : {5, 1, 3}) {
    const std::vector<pid_t> old = server.workers();
    ASSERT_EQ(server.reload(with_workers(count)).status, 0);
    EXPECT_EQ(server.workers().size(), static_cast<std::size_t>(count));
    ASSERT_TRUE(wait_until([&] { return gone(old); }));
    EXPECT_EQ(client.get("/").body, "x");
    const auto seen = [&] { return stats(server)["workers"].size() == static_cast<std::size_t>(count); };
    EXPECT_TRUE(wait_until(seen));
  }
  EXPECT_EQ(server.total(&Counters::closed), 0U);
}

TEST(Reload, AConfigurationThatIsNoGoodChangesNothing) {
  const TempDir folder;
  const Server server(folder, answering("good", "max_connections = 100"));
  const UniqueFd taken = listen_on("127.0.0.1:0");
  const std::string taken_text = address_of(taken);

  struct Case {
    std::string config;
    std::string position;
    std::string why;
  };
  const Case cases[] = {
      {"[server]\nworkers = = 2\n" + answering("bad"), ":2:11: ", ""},
      {"[server]\nworkerz = 2\n" + std::string(kListen), ":2:1: ", "workers"},
      {std::string(kListen) + "[[site]]\n[[site.route]]\npath = \"/\"\nstatic = { root = \"nowhere\" }\n",
       ":6:", "nowhere"},
      {answering("bad", "max_connections = 100", "[[listen]]\naddress = \"" + taken_text + "\"\n"),
       ":7:", "cannot listen on " + taken_text},
      {answering("bad", "max_connections = 101"), "baton.toml: ", "max_connections = 101 is above the 100"},
  };
  Client client = server.connect();
  for (const Case& bad : cases) {
    const Finished done = server.reload(bad.config);
    EXPECT_EQ(done.status, 1) << bad.config;
    EXPECT_THAT(done.err, HasSubstr(server.config_file()));
    EXPECT_THAT(done.err, HasSubstr(bad.position));
    EXPECT_THAT(done.err, HasSubstr(bad.why));
    EXPECT_EQ(client.get("/").body, "good");
    const auto report = stats(server)["server"]["last_reload"];
    EXPECT_EQ(report["ok"], false);
    EXPECT_THAT(report["message"].get<std::string>(), HasSubstr(bad.why));
    EXPECT_GT(report["time"].get<std::int64_t>(), 0);
  }
  EXPECT_EQ(server.header().generation.load(), 1U);
  EXPECT_EQ(server.workers().size(), 2U);
  EXPECT_EQ(server.header().listener_count.load(), 1U);
  EXPECT_EQ(server.reload(answering("better", "max_connections = 100")).status, 0);
  EXPECT_EQ(stats(server)["server"]["last_reload"]["ok"], true);
  EXPECT_EQ(client.get("/").body, "better");
}

// What root has opened at the start it could not open later.
TEST(Reload, WhatItsUserMayNotReadChangesNothing) {
  const TempDir folder;
  for (const char* workers : {"1", "3"}) {
    Server server(folder, answering("old", unprivileged_user()));
    std::filesystem::create_directory(folder.path() / "secret");
    std::filesystem::permissions(folder.path() / "secret", std::filesystem::perms::none);
    Client client = server.connect();
    const std::vector<pid_t> old = server.workers();
    const Finished done =
        server.reload("[server]\n" + unprivileged_user() + "workers = " + std::string(workers) + "\n" +
                      kListen + "[[site]]\n[[site.route]]\npath = \"/\"\nstatic = { root = \"secret\" }\n");
    EXPECT_EQ(done.status, 1);
    EXPECT_THAT(done.err, HasSubstr("cannot read the root"));
    EXPECT_EQ(server.workers(), old);
    EXPECT_EQ(server.header().generation.load(), 1U);
    EXPECT_EQ(client.get("/").body, "old");
    client.close();
    EXPECT_EQ(server.stop(), 0) << "what failed must not be waited for";
  }
}

TEST(Reload, TwoInQuickSuccessionEndWithTheLastConfiguration) {
  const TempDir folder;
  const Server server(folder, answering("0"));
  Client client = server.connect();
  for (int i = 1; i <= 5; ++i) {
    folder.write("baton.toml", answering("a"));
    server.signal(SIGHUP);
    folder.write("baton.toml", answering(std::to_string(i)));
    server.signal(SIGHUP);
    const auto taken_up = [&] { return client.get("/").body == std::to_string(i); };
    ASSERT_TRUE(wait_until(taken_up)) << server.log();
  }
  EXPECT_EQ(server.total(&Counters::closed), 0U);
}

TEST(Reload, AReloadThatIsUnderWayDoesNotOutliveAStop) {
  const TempDir folder;
  Server server(folder, answering("x"));
  server.signal(SIGHUP);
  server.signal(SIGHUP);
  server.signal(SIGTERM);
  EXPECT_EQ(server.wait(), 0) << server.log();
}

TEST(Reload, ThirtyUnderLoadFailNoRequest) {
  const TempDir folder;
  const Server server(folder, answering("0"));
  constexpr std::size_t kClients = 8;
  std::atomic<bool> done{false};
  std::atomic<std::uint64_t> answered{0};
  std::vector<std::string> trouble(kClients);
  std::vector<std::thread> threads;
  for (std::size_t i = 0; i < kClients; ++i) {
    threads.emplace_back([&, i] {
      try {
        Client client = server.connect();
        while (!done) {
          if (client.get("/").status != 200) trouble[i] = "a request failed";
          ++answered;
        }
      } catch (const std::runtime_error& error) {
        trouble[i] = error.what();
      }
    });
  }
  int failed = 0;
  for (int i = 1; i <= 30; ++i) {
    std::string config = answering(std::to_string(i));
    config.replace(config.find("workers = 2"), 11, "workers = " + std::to_string(1 + i % 3));
    if (server.reload(config).status != 0) ++failed;
    const std::uint64_t before = answered;
    if (!wait_until([&] { return answered > before + kClients; })) ++failed;
  }
  done = true;
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(failed, 0) << server.log();
  EXPECT_THAT(trouble, ::testing::Each(""));
  EXPECT_EQ(server.header().generation.load(), 31U);
  EXPECT_EQ(server.total(&Counters::accepted), kClients);
}

TEST(Reload, LeavesNoDescriptorBehind) {
  const TempDir folder;
  folder.write("root/a", "a");
  const std::string config = static_config("root", "", "[log]\naccess = \"access.log\"") + kListen;
  const Server server(folder, config);
  const std::size_t before = open_descriptors(server).size();
  for (int i = 0; i < 5; ++i) {
    const std::vector<pid_t> old = server.workers();
    ASSERT_EQ(server.reload(config).status, 0);
    ASSERT_TRUE(wait_until([&] { return gone(old); }));
  }
  EXPECT_TRUE(wait_until([&] { return open_descriptors(server).size() == before; }));
}

}  // namespace
}  // namespace baton::test
