// One budget for everything that is spooled: bodies of requests, and responses that their clients do not
// take.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>

#include <filesystem>
#include <fstream>
#include <thread>

#include "common/base/oom_score.h"
#include "tests/integration/shared_server.h"
#include "tests/support/bulk.h"
#include "tests/support/modules.h"
#include "tests/support/observe.h"
#include "tests/support/wait.h"

namespace baton::test {
namespace {

constexpr std::uint64_t kKilo = 1'024;

std::string config(const TempDir& folder, const std::string& limits) {
  std::filesystem::create_directory(folder.path() / "spool");
  return "[server]\nworkers = 2\nspool_dir = \"spool\"\n[limits]\n" + limits + "\n[[site]]\n" +
         module_route("/", module_file("good")) +
         "[[site.route]]\npath = \"/plain\"\nrespond = { body = \"plain\" }\n";
}

std::string upload(const std::string& body) {
  return "POST /large HTTP/1.1\r\nHost: x\r\nContent-Length: " + std::to_string(body.size()) + "\r\n\r\n" +
         body;
}

SpoolBudget::Use use(const Server& server) {
  return server.segment().spool_budget().use();
}

bool nothing_spooled(const Server& server) {
  return wait_until([&] { return use(server).memory == 0 && use(server).disk == 0; });
}

// Uploads of which the last byte is missing, taken up as far as they go. No two groups of one size at a time.
class Uploads {
 public:
  Uploads(const Server& server, std::size_t count, std::size_t bytes)
      : server_(server), body_(noise(bytes, 1)) {
    for (std::size_t i = 0; i < count; ++i) {
      clients_.push_back(server.connect());
      const std::string request = upload(body_);
      clients_.back().send(std::string_view(request).substr(0, request.size() - 1));
    }
    EXPECT_TRUE(wait_until([&] {
      std::size_t taken = 0;
      for (std::size_t fd = 0; fd < server.segment().connections().size(); ++fd) {
        const Slot& slot = server.segment().connections().at(static_cast<int>(fd));
        if (slot.phase == Phase::kBody &&
            server.segment().connections().claim(static_cast<int>(fd)).armed() &&
            slot.bytes_in - slot.body.begun_at == body_.size() - 1)
          ++taken;
      }
      return taken == count;
    }));
  }
  void finish() {
    for (Client& client : clients_) {
      client.send(std::string_view(body_).substr(body_.size() - 1));
      EXPECT_TRUE(client.receive().body == body_);
    }
  }

 private:
  const Server& server_;
  std::string body_;
  std::vector<Client> clients_;
};

TEST(SpoolBudgetOfTheServer, SmallBodiesGoToDiskWhenTheMemoryIsUsedUp) {
  const TempDir folder;
  const Server server(folder, config(folder, "spool_memory = \"64K\"\nspool_memory_total = \"256K\""));
  Uploads uploads(server, 12, 60'000);
  const SpoolBudget::Use used = use(server);
  EXPECT_LE(used.memory, 256 * kKilo);
  EXPECT_GT(used.memory, 128 * kKilo);
  EXPECT_GT(used.disk, 300'000U);
  const auto shown = stats(server)["totals"]["spool"];
  EXPECT_EQ(shown["memory"], used.memory);
  EXPECT_EQ(shown["memory_limit"], 256 * kKilo);
  EXPECT_EQ(shown["disk"], used.disk);
  EXPECT_THAT(server.ctl({"stats"}).out, testing::HasSubstr("spool"));
  uploads.finish();
  EXPECT_TRUE(nothing_spooled(server));
  EXPECT_EQ(server.total(&Counters::spool_refused), 0U);
  expect_no_worker_died(server);
}

// What is small by default is so in memory only.
TEST(SpoolBudgetOfTheServer, ByDefaultABodyOfAMegabyteIsNotInMemory) {
  const TempDir folder;
  const Server server(folder, config(folder, ""));
  Uploads uploads(server, 20, 1'000'000);
  EXPECT_LT(use(server).memory, 64 * kKilo);
  EXPECT_GE(use(server).disk, 19'000'000U);
  EXPECT_GT(use(server).memory_limit, std::uint64_t{16} << 20);
  EXPECT_GT(use(server).disk_limit, 0U);
  uploads.finish();
  EXPECT_TRUE(nothing_spooled(server));
}

TEST(SpoolBudgetOfTheServer, WhatFitsNowhereIsAnswered503AndTheOthersGoOn) {
  const TempDir folder;
  const Server server(
      folder,
      config(folder, "spool_memory = \"64K\"\nspool_memory_total = \"128K\"\nspool_disk_total = \"1M\""));
  {
    Uploads uploads(server, 3, 300'000);
    Client neighbour = server.connect();
    for (const bool chunked : {false, true}) {
      Client client = server.connect();
      const std::string body = noise(400'000, 2);
      client.send(chunked ? "POST /large HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n61a80\r\n" +
                                body
                          : upload(body));
      const Response refused = client.receive();
      EXPECT_EQ(refused.status, 503) << chunked;
      EXPECT_EQ(refused.field("retry-after"), "1");
      EXPECT_TRUE(client.closed());
      EXPECT_EQ(neighbour.get("/plain").body, "plain");
    }
    EXPECT_EQ(stats(server)["totals"]["spool"]["refused"], 2);
    EXPECT_LE(use(server).disk, 1'024 * kKilo);
    EXPECT_TRUE(log_has(server, "limits.spool_memory_total, limits.spool_disk_total"));
    uploads.finish();
  }
  EXPECT_TRUE(nothing_spooled(server));
  Client client = server.connect();
  EXPECT_TRUE(client.exchange(upload(noise(400'000, 2))).body == noise(400'000, 2));
  expect_no_worker_died(server);
}

TEST(SpoolBudgetOfTheServer, ABodyThatIsMoreThanThereIsAtAllIsTooLarge) {
  const TempDir folder;
  const Server server(folder, config(folder, "spool_disk_total = \"1M\""));
  Client client = server.connect();
  client.send("POST /large HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 2000000\r\n\r\n");
  EXPECT_EQ(client.receive().status, 413);
}

// The client need not be told to send what would not be taken.
TEST(SpoolBudgetOfTheServer, NoContinueIsSaidToWhatIsRefused) {
  const TempDir folder;
  const Server server(folder, config(folder, "spool_memory_total = \"0\"\nspool_disk_total = \"600K\""));
  Uploads uploads(server, 1, 612'000);
  Client client = server.connect();
  client.send("POST /large HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nX: " + std::string(12'000, 'x') +
              "\r\nContent-Length: 100000\r\n\r\n");
  EXPECT_EQ(client.receive().status, 503);
  uploads.finish();
}

TEST(SpoolBudgetOfTheServer, ResponsesThatNobodyTakesAreUnderIt) {
  const TempDir folder;
  const Server server(folder, config(folder, "spool_memory_total = \"1M\"\nspool_disk_total = \"20M\""));
  std::vector<Client> silent;
  constexpr const char* kLarge = "GET /write/9000000/100000 HTTP/1.1\r\nHost: x\r\n\r\n";
  for (int i = 0; i < 2; ++i) {
    silent.push_back(connect_narrow(server.port(), 1'400));
    silent.back().send(kLarge);
  }
  ASSERT_TRUE(wait_until([&] { return count_armed(server, Phase::kParked) == 2; }));
  EXPECT_GE(use(server).disk, 18'000'000U);
  Client refused = server.connect();
  refused.send(kLarge);
  const Response response = refused.receive();
  EXPECT_EQ(response.status, 503);
  EXPECT_EQ(response.field("retry-after"), "1");
  EXPECT_EQ(refused.get("/plain").body, "plain") << "the connection goes on";
  EXPECT_TRUE(silent[0].receive().body == written(9'000'000));
  EXPECT_TRUE(wait_until([&] { return use(server).disk < 10'000'000; }));
  EXPECT_TRUE(refused.get("/write/9000000/100000").body == written(9'000'000));
  silent[1].reset();
  EXPECT_TRUE(nothing_spooled(server));
  expect_no_worker_died(server);
}

// Small ones, in the script of a parked response.
TEST(SpoolBudgetOfTheServer, ParkedScriptsAreUnderIt) {
  const TempDir folder;
  const Server server(folder, config(folder, "spool_memory_total = \"64K\""));
  std::vector<Client> silent;
  for (int i = 0; i < 10; ++i) {
    silent.push_back(connect_narrow(server.port(), 1'400));
    // Asks for ever more, so that the socket is full in the middle of a response from memory.
    for (int n = 0; n < 300; ++n) silent.back().send("GET /write/60000/60000 HTTP/1.1\r\nHost: x\r\n\r\n");
  }
  ASSERT_TRUE(wait_until([&] { return count_armed(server, Phase::kParked) == 10; }));
  EXPECT_LE(use(server).memory, 64 * kKilo);
  EXPECT_GT(use(server).disk, 0U);
  for (Client& client : silent) {
    for (int n = 0; n < 300; ++n) ASSERT_TRUE(client.receive().body == written(60'000));
  }
  EXPECT_TRUE(nothing_spooled(server));
}

TEST(SpoolBudgetOfTheServer, AStreamWaitsForItsClientWhenItIsNearlyUsedUp) {
  const TempDir folder;
  const Server server(folder, config(folder, "spool_disk_total = \"8M\""));
  Client slow = connect_narrow(server.port(), 1'400);
  slow.send("GET /stream/30000000/50000 HTTP/1.1\r\nHost: x\r\n\r\n");
  ASSERT_TRUE(wait_until([&] { return use(server).disk >= (std::uint64_t{7} << 20); }));
  read_head(slow);
  EXPECT_TRUE(read_chunked(slow) == written(30'000'000));
  EXPECT_LE(use(server).disk, std::uint64_t{8} << 20);
  EXPECT_EQ(server.total(&Counters::spool_refused), 0U);
  EXPECT_TRUE(nothing_spooled(server));
}

TEST(SpoolBudgetOfTheServer, KilledWorkersLeakNothingOfIt) {
  const TempDir folder;
  const Server server(folder, config(folder, "spool_memory_total = \"300K\"\nspool_disk_total = \"300M\""));
  for (int round = 0; round < 6; ++round) {
    Uploads small(server, 6, 60'000);
    Uploads large(server, 3, 400'000);
    Client parked = connect_narrow(server.port(), 1'400);
    parked.send("GET /write/9000000/100000 HTTP/1.1\r\nHost: x\r\n\r\n");
    for (const pid_t worker : server.workers()) ::kill(worker, SIGKILL);
    small.finish();
    EXPECT_TRUE(parked.receive().body == written(9'000'000));
    for (const pid_t worker : server.workers()) ::kill(worker, SIGKILL);
    large.finish();
    ASSERT_TRUE(nothing_spooled(server)) << use(server).memory << " " << use(server).disk;
  }
}

TEST(SpoolBudgetOfTheServer, AReloadSetsItAnew) {
  const TempDir folder;
  const Server server(folder, config(folder, "spool_disk_total = \"1M\""));
  Uploads uploads(server, 2, 400'000);
  EXPECT_EQ(server.reload(config(folder, "spool_memory_total = \"2M\"\nspool_disk_total = \"4M\"")).status,
            0);
  EXPECT_EQ(use(server).disk_limit, std::uint64_t{4} << 20);
  EXPECT_EQ(use(server).memory_limit, std::uint64_t{2} << 20);
  EXPECT_GE(use(server).disk, 800'000U - 2);
  uploads.finish();
  EXPECT_TRUE(nothing_spooled(server));
}

TEST(SpoolBudgetOfTheServer, AnUpgradeTakesItOver) {
  const TempDir folder;
  const Server server(folder, config(folder, "spool_memory_total = \"100K\""));
  Uploads uploads(server, 5, 60'000);
  const SpoolBudget::Use before = use(server);
  EXPECT_EQ(server.ctl({"upgrade"}).status, 0);
  EXPECT_EQ(use(server).memory, before.memory);
  EXPECT_EQ(use(server).disk, before.disk);
  uploads.finish();
  EXPECT_TRUE(nothing_spooled(server));
}

TEST(OutOfMemory, TheKernelTakesAWorkerBeforeTheMaster) {
  const TempDir folder;
  const Server server(folder, config(folder, ""));
  const auto score = [](pid_t pid) {
    std::ifstream file("/proc/" + std::to_string(pid) + "/oom_score_adj");
    int value = -1;
    file >> value;
    return value;
  };
  for (const pid_t worker : server.workers()) EXPECT_GT(score(worker), score(server.pid()));
}

// What has come fast is no credit: at 500 bytes a second these would be good for more than three minutes.
TEST(Timeouts, ABodyThatBeganFastMayNotTrickleForEver) {
  const TempDir folder;
  const Server server(folder, "[timeouts]\nbody = \"400ms\"\n" + config(folder, ""));
  Client client = server.connect();
  client.send("POST /large HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\n\r\n" +
              std::string(100'000, 'x'));
  ASSERT_TRUE(wait_until([&] { return server.total(&Counters::bytes_in) >= 100'000; }));
  EXPECT_TRUE(wait_until([&] {
    std::this_thread::sleep_for(std::chrono::milliseconds(50));  // the client's pace: 20 bytes a second
    client.send("a");
    return server.total(&Counters::timeouts) == 1;
  }));
  EXPECT_EQ(client.receive().status, 408);
}

}  // namespace
}  // namespace baton::test
