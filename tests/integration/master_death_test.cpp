// The master is killed: its workers end, and a new server takes its place. And what a living one has is never
// taken from it.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>

#include <atomic>
#include <filesystem>
#include <thread>

#include "tests/support/observe.h"
#include "tests/support/server.h"
#include "tests/support/wait.h"

namespace baton::test {
namespace {

using ::testing::HasSubstr;

std::string config(const std::string& settings, const std::vector<std::string>& listen) {
  std::string text = "[server]\nworkers = 2\n" + settings + "\n";
  for (const std::string& address : listen) text += "[[listen]]\naddress = \"" + address + "\"\n";
  return text + "[[site]]\n[[site.route]]\npath = \"/\"\nrespond = { body = \"x\" }\n";
}

// Clients that ask as fast as they can until they are told to stop or the server is gone.
class Load {
 public:
  explicit Load(const Server& server) {
    for (int i = 0; i < 4; ++i) threads_.emplace_back([this, &server] { run(server); });
  }
  void stop() {
    stop_ = true;
    threads_.clear();
  }
  [[nodiscard]] std::uint64_t answered() const { return answered_; }
  [[nodiscard]] int wrong() const { return wrong_; }

 private:
  void run(const Server& server) {
    std::string batch;
    for (int n = 0; n < 16; ++n) batch += "GET / HTTP/1.1\r\nHost: x\r\n\r\n";
    try {
      Client client = server.connect();
      while (!stop_) {
        client.send(batch);
        for (int n = 0; n < 16; ++n) {
          if (client.receive().body != "x") ++wrong_;
          ++answered_;
        }
      }
    } catch (const std::runtime_error&) {  // the server is gone
    }
  }

  std::atomic<bool> stop_{false};
  std::atomic<std::uint64_t> answered_{0};
  std::atomic<int> wrong_{0};
  std::vector<std::jthread> threads_;
};

// A port that nobody has, to be named in a configuration.
std::uint16_t free_port(const TempDir& folder) {
  Server server(folder, config("", {"127.0.0.1:0"}));
  const std::uint16_t port = server.port();
  server.stop();
  return port;
}

TEST(MasterDeath, BusyWorkersEndAndTheNextServerStartsAtOnce) {
  const TempDir folder;
  const std::string path = (folder.path() / "a.sock").string();
  const std::string text =
      config("pid_file = \"baton.pid\"", {"127.0.0.1:" + std::to_string(free_port(folder)), "unix:" + path});
  Server killed(folder, text);
  Load load(killed);
  ASSERT_TRUE(wait_until([&] { return load.answered() > 1000; }));
  const std::vector<pid_t> workers = killed.workers();
  killed.signal(SIGKILL);
  EXPECT_EQ(killed.wait(), 128 + SIGKILL);
  EXPECT_TRUE(wait_until([&] { return gone(workers); })) << "events all the time are no reason to stay";
  load.stop();
  EXPECT_EQ(load.wrong(), 0) << "what was answered was answered in full";
  EXPECT_THAT(killed.log(), HasSubstr("has died: its workers finish the requests in hand and end"));
  EXPECT_TRUE(std::filesystem::exists(path)) << "a killed master cannot tidy up";

  Server next(folder, text);
  EXPECT_EQ(next.connect(0).get("/").body, "x");
  EXPECT_EQ(next.connect(1).get("/").body, "x");
  EXPECT_EQ(folder.read("baton.pid"), std::to_string(next.pid()) + "\n");
  EXPECT_EQ(next.stop(), 0);
  EXPECT_FALSE(std::filesystem::exists(path));
  EXPECT_FALSE(std::filesystem::exists(folder.path() / "baton.pid"));
}

// It cannot even be told: but its descriptors are the others' as well.
TEST(MasterDeath, AStoppedWorkerDoesNotKeepTheAddresses) {
  const TempDir folder;
  const std::string text = config("", {"127.0.0.1:" + std::to_string(free_port(folder))});
  Server killed(folder, text);
  const std::vector<pid_t> workers = killed.workers();
  ASSERT_EQ(workers.size(), 2U);
  const Stopped stopped(workers[0]);
  killed.signal(SIGKILL);
  killed.wait();
  ASSERT_TRUE(wait_until([&] { return gone(workers[1]); }));
  const Server next(folder, text);
  EXPECT_EQ(next.connect().get("/").body, "x");
}

TEST(MasterDeath, ThePidFileOfALivingServerIsNotTaken) {
  const TempDir folder;
  const TempDir other;
  const std::string pid_file = (folder.path() / "baton.pid").string();
  const std::string settings = "pid_file = \"" + pid_file + "\"";
  Server first(folder, config(settings, {"127.0.0.1:0"}));
  const std::string file = other.write("other.toml", config(settings, {"127.0.0.1:0"}));
  const Finished second = run_program({baton_binary(), "-c", file});
  EXPECT_EQ(second.status, 1);
  EXPECT_THAT(second.err, HasSubstr(pid_file + " belongs to a server that is running as pid " +
                                    std::to_string(first.pid())));
  EXPECT_EQ(folder.read("baton.pid"), std::to_string(first.pid()) + "\n");
  EXPECT_EQ(first.connect().get("/").body, "x");
  EXPECT_EQ(first.stop(), 0);
  Server third(other, config(settings, {"127.0.0.1:0"}));
  EXPECT_EQ(folder.read("baton.pid"), std::to_string(third.pid()) + "\n");
}

// Somebody has removed the first one's socket, so another server could bind its path.
TEST(MasterDeath, ASocketFileThatIsSomebodyElsesByNowStays) {
  const TempDir folder;
  const TempDir other;
  const std::string path = (folder.path() / "a.sock").string();
  Server first(folder, config("", {"unix:" + path}));
  std::filesystem::remove(path);
  const Server second(other, config("", {"unix:" + path}));
  EXPECT_EQ(first.stop(), 0);
  EXPECT_EQ(Client::connect_unix(path).get("/").body, "x");
}

}  // namespace
}  // namespace baton::test
