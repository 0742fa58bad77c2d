// Starting, refusing to start, and stopping: gracefully, at once, and when the master is killed.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <unistd.h>

#include <filesystem>
#include <memory>
#include <thread>

#include "tests/support/bulk.h"
#include "tests/support/observe.h"
#include "tests/support/server.h"
#include "tests/support/wait.h"

namespace baton::test {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

constexpr std::uint64_t kBig = 24 << 20;

std::string answering(const std::string& settings = "", const std::string& listen = "127.0.0.1:0") {
  return "[server]\nworkers = 2\n" + settings + "\n[[listen]]\naddress = \"" + listen +
         "\"\n[[site]]\n[[site.route]]\npath = \"/\"\nrespond = { body = \"x\" }\n";
}

std::filesystem::path segment_file(const Server& server) {
  return std::filesystem::path("/dev/shm") / Segment::name_for(server.config_file());
}

Finished start(const std::string& config_file) {
  return run_program({baton_binary(), "-c", config_file});
}

TEST(Stop, GracefulClosesIdleConnectionsAndFinishesWhatIsInHand) {
  const TempDir folder;
  write_pattern(folder, "root/big", kBig);
  Server server(folder, static_config("root", "", "shutdown_timeout = \"50s\""));
  const std::uint16_t port = server.port();
  Client idle = server.connect();
  EXPECT_EQ(idle.get("/none").status, 404);
  Download download(port, "/big", kBig);
  ASSERT_TRUE(wait_until([&] { return count_armed(server, Phase::kParked) == 1; }));

  server.signal(SIGTERM);
  EXPECT_TRUE(idle.closed());
  EXPECT_TRUE(wait_until([&] { return refuses(port); })) << "nobody would serve who comes now";
  EXPECT_TRUE(download.read_rest());
  EXPECT_TRUE(download.complete());
  EXPECT_TRUE(download.client().closed());
  EXPECT_EQ(server.wait(), 0) << server.log();
}

TEST(Stop, TheResponseToARequestInHandSaysThatTheConnectionCloses) {
  const TempDir folder;
  Server server(folder, answering("shutdown_timeout = \"50s\""));
  Client client = server.connect();
  client.send("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\na");
  ASSERT_TRUE(wait_until([&] { return count_armed(server, Phase::kBody) == 1; }));
  server.signal(SIGTERM);
  ASSERT_TRUE(wait_until([&] { return server.header().state.load() == MasterState::kStopping; }));
  client.send("b");
  const Response response = client.receive();
  EXPECT_EQ(response.status, 200);
  EXPECT_EQ(response.field("connection"), "close");
  EXPECT_TRUE(client.closed());
  EXPECT_EQ(server.wait(), 0);
}

TEST(Stop, GracefulWaitsNoLongerThanItsDeadline) {
  const TempDir folder;
  write_pattern(folder, "root/big", kBig);
  Server server(folder, static_config("root", "", "shutdown_timeout = \"300ms\""));
  Download never_read(server.port(), "/big", kBig);
  ASSERT_TRUE(wait_until([&] { return count_armed(server, Phase::kParked) == 1; }));
  EXPECT_EQ(server.stop(), 124) << server.log();
  EXPECT_THAT(server.log(), HasSubstr("cut off: writing \"GET /big HTTP/1.1\" of 127.0.0.1:"));
  EXPECT_THAT(server.log(), HasSubstr("stopped; 1 requests and responses were cut off"));
  EXPECT_FALSE(never_read.read_rest());
  EXPECT_TRUE(never_read.exact());
}

// Each with a client that would hold a graceful stop for an hour.
TEST(Stop, ASecondSigtermSigintAndSigquitStopAtOnce) {
  const TempDir folder;
  write_pattern(folder, "root/big", kBig);
  for (const int signal : {SIGTERM, SIGINT, SIGQUIT}) {
    Server server(folder, static_config("root", "", "shutdown_timeout = \"1h\"\n[timeouts]\nsend = \"1h\""));
    Download never_read(server.port(), "/big", kBig);
    ASSERT_TRUE(wait_until([&] { return count_armed(server, Phase::kParked) == 1; }));
    if (signal == SIGTERM) {
      server.signal(SIGTERM);
      ASSERT_TRUE(wait_until([&] { return server.header().state.load() == MasterState::kStopping; }));
    }
    server.signal(signal);
    EXPECT_EQ(server.wait(), 128 + signal) << server.log();
    EXPECT_THAT(server.log(), HasSubstr("cut off: writing \"GET /big"));
  }
}

// Only idle connections are closed by it, and that is nothing to speak of.
TEST(Stop, AtOnceWithNothingInHandCutsNothingOff) {
  const TempDir folder;
  Server server(folder, answering());
  Client idle = server.connect();
  EXPECT_EQ(idle.get("/").body, "x");
  ASSERT_TRUE(wait_until([&] { return count_armed(server, Phase::kHead) == 1; }));
  server.signal(SIGINT);
  EXPECT_EQ(server.wait(), 130);
  EXPECT_TRUE(idle.closed());
  EXPECT_THAT(server.log(), Not(HasSubstr("cut off")));
}

TEST(Stop, ARequestThatIsArrivingIsCutOffAtTheDeadline) {
  const TempDir folder;
  Server server(folder, answering("shutdown_timeout = \"300ms\""));
  Client half = server.connect();
  half.send("GET /half HTTP/1.1\r\nHo");
  ASSERT_TRUE(wait_until([&] {
    const int fd = server.only_connection();
    return fd >= 0 && server.segment().connections().at(fd).peeked > 0;
  }));
  EXPECT_EQ(server.stop(), 124);
  EXPECT_TRUE(half.closed());
}

TEST(Stop, BatonctlTellsHowItEnded) {
  const TempDir folder;
  write_pattern(folder, "root/big", kBig);
  const auto stop_by = [&](std::vector<std::string> arguments, const std::string& settings, bool download) {
    Server server(folder, static_config("root", "", settings));
    std::unique_ptr<Download> never_read;
    if (download) {
      never_read = std::make_unique<Download>(server.port(), "/big", kBig);
      EXPECT_TRUE(wait_until([&] { return count_armed(server, Phase::kParked) == 1; }));
    }
    const Finished done = server.ctl(std::move(arguments));
    EXPECT_EQ(done.status, 0) << done.err;
    server.wait();
    return done.out;
  };
  EXPECT_THAT(stop_by({"stop"}, "", false), HasSubstr("every request in hand was finished"));
  EXPECT_THAT(stop_by({"stop", "--fast"}, "", false), HasSubstr("stopped at once"));
  EXPECT_THAT(stop_by({"stop"}, "shutdown_timeout = \"300ms\"", true),
              HasSubstr("has cut off what was left"));
}

TEST(Stop, LeavesNothingBehind) {
  const TempDir folder;
  const std::string pid_file = (folder.path() / "baton.pid").string();
  const std::string path = (folder.path() / "a.sock").string();
  Server server(folder, answering("pid_file = \"baton.pid\"", "unix:" + path));
  EXPECT_EQ(folder.read("baton.pid"), std::to_string(server.pid()) + "\n");
  EXPECT_EQ(Client::connect_unix(path).get("/").body, "x");
  EXPECT_TRUE(std::filesystem::exists(segment_file(server)));
  const std::vector<pid_t> workers = server.workers();
  EXPECT_EQ(server.stop(), 0);
  EXPECT_FALSE(std::filesystem::exists(pid_file));
  EXPECT_FALSE(std::filesystem::exists(path));
  EXPECT_FALSE(std::filesystem::exists(segment_file(server)));
  EXPECT_TRUE(gone(workers));
}

TEST(Start, TwiceWithTheSameConfigurationIsRefused) {
  const TempDir folder;
  const Server server(folder, answering("pid_file = \"baton.pid\""));
  const Finished second = start(server.config_file());
  EXPECT_EQ(second.status, 1);
  EXPECT_THAT(second.err, HasSubstr("already running as pid " + std::to_string(server.pid())));
  EXPECT_EQ(server.connect().get("/").body, "x");
  EXPECT_EQ(folder.read("baton.pid"), std::to_string(server.pid()) + "\n");
  EXPECT_EQ(server.ctl({"stats"}).status, 0) << "the first one is still found";
}

TEST(Start, ATakenPortIsNamedWithItsPlaceInTheFile) {
  const TempDir folder;
  const Server server(folder, answering());
  const TempDir other;
  const std::string address = "127.0.0.1:" + std::to_string(server.port());
  const std::string file = other.write("other.toml", answering("", address));
  const Finished second = start(file);
  EXPECT_EQ(second.status, 1);
  EXPECT_THAT(second.err, HasSubstr(file + ":5:11: cannot listen on " + address));
  EXPECT_THAT(second.err,
              HasSubstr("baton (pid " + std::to_string(server.pid()) + ") listens there: stop it or choose"));
  EXPECT_FALSE(std::filesystem::exists("/dev/shm/" + Segment::name_for(file)));
}

TEST(Start, AUnixSocketOfARunningServerIsNotTakenAway) {
  const TempDir folder;
  const std::string path = (folder.path() / "a.sock").string();
  const Server server(folder, answering("", "unix:" + path));
  const std::string file = folder.write("other.toml", answering("", "unix:" + path));
  EXPECT_EQ(start(file).status, 1);
  EXPECT_EQ(Client::connect_unix(path).get("/").body, "x");
}

TEST(Start, AsSomebodyWhoMayNotReadARootIsRefused) {
  const TempDir folder;
  std::filesystem::create_directory(folder.path() / "secret");
  std::filesystem::permissions(folder.path() / "secret", std::filesystem::perms::none);
  const std::string file = folder.write("baton.toml", static_config("secret", "", unprivileged_user()) +
                                                          "[[listen]]\naddress = \"127.0.0.1:0\"\n");
  const Finished done = start(file);
  EXPECT_EQ(done.status, 1);
  EXPECT_THAT(done.err, HasSubstr("cannot read the root"));
}

// A worker that is ready waits for the others, and must see that there is nothing to wait for any more.
TEST(Stop, WhileTheWorkersStart) {
  for (int i = 0; i < 5; ++i) {
    const TempDir folder;
    const std::string config = folder.write("baton.toml",
                                            "[server]\nworkers = 16\n[[listen]]\naddress = "
                                            "\"127.0.0.1:0\"\n[[site]]\n[[site.route]]\npath = \"/\"\n"
                                            "respond = { body = \"x\" }\n");
    Finished finished;
    std::jthread run([&] { finished = start(config); });
    const auto a_worker_is_ready = [&] {
      try {
        const Segment segment = Segment::attach(Segment::name_for(config));
        for (const WorkerEntry& entry : segment.scoreboard()) {
          if (entry.state.load() == WorkerState::kReady)
            return ::kill(segment.header().master_pid.load(), SIGINT) == 0;
        }
      } catch (const std::runtime_error&) {  // not there yet
      }
      return false;
    };
    EXPECT_TRUE(wait_until(a_worker_is_ready));
    run.join();
    EXPECT_EQ(finished.status, 130);
    EXPECT_THAT(finished.err, Not(HasSubstr("killed by signal")));
  }
}

// Else they would be given to sockets, and what is printed to a client.
TEST(Start, WithoutStandardDescriptors) {
  const TempDir folder;
  const std::string config = folder.write("baton.toml", answering("[log]\nerror = \"error.log\""));
  Finished finished;
  std::jthread run([&] {
    finished = run_program({"/bin/sh", "-c", "exec \"$0\" -c \"$1\" <&- >&- 2>&-", baton_binary(), config});
  });
  pid_t pid = -1;
  EXPECT_TRUE(wait_until([&] {
    try {
      const Segment segment = Segment::attach(Segment::name_for(config));
      pid = segment.header().master_pid.load();
      return segment.header().state.load() == MasterState::kServing;
    } catch (const std::runtime_error&) {  // not there yet
      return false;
    }
  }));
  for (const char* fd : {"0", "1", "2"}) {
    EXPECT_EQ(std::filesystem::read_symlink("/proc/" + std::to_string(pid) + "/fd/" + fd), "/dev/null");
  }
  ASSERT_GT(pid, 0);
  ::kill(pid, SIGINT);
  run.join();
  EXPECT_EQ(finished.status, 130);
}

TEST(Start, ChecksWithoutStarting) {
  const TempDir folder;
  const Server server(folder, answering());
  const std::string address = "127.0.0.1:" + std::to_string(server.port());
  const std::string good = folder.write("good.toml", answering("", address));
  const Finished checked = run_program({baton_binary(), "-t", "-c", good});
  EXPECT_EQ(checked.status, 0) << "it binds nothing, so a taken port is no matter: " << checked.err;
  EXPECT_THAT(checked.out, HasSubstr("the configuration is good"));

  const std::string bad =
      folder.write("bad.toml",
                   "[server]\nworkers = 0\nmax_conections = 5\n\n[[listen]]\naddress = \"nowhere\"\n"
                   "[[site]]\n[[site.route]]\npath = \"/\"\nstatic = { root = \"none\" }\n");
  const Finished refused = run_program({baton_binary(), "-t", "-c", bad});
  EXPECT_EQ(refused.status, 1);
  for (const char* position : {":2:11: ", ":3:1: ", ":6:11: ", ":10:"}) {
    EXPECT_THAT(refused.err, HasSubstr(bad + position));
  }
  EXPECT_THAT(refused.err, HasSubstr("max_connections"));
}

TEST(Start, WrongUsageAndMissingFilesAreTold) {
  const Finished usage = run_program({baton_binary(), "--no-such-option"});
  EXPECT_EQ(usage.status, 2);
  EXPECT_THAT(usage.err, HasSubstr("no-such-option"));
  const TempDir folder;
  const std::string missing = (folder.path() / "missing.toml").string();
  const Finished done = start(missing);
  EXPECT_EQ(done.status, 1);
  EXPECT_THAT(done.err, HasSubstr(missing));
  EXPECT_EQ(run_program({baton_binary(), "--help"}).status, 0);
  EXPECT_THAT(run_program({baton_binary(), "--version"}).out, HasSubstr("baton "));
}

TEST(Start, AfterTheMasterWasKilledWorkersEndAndANewServerReplacesIt) {
  const TempDir folder;
  const std::string path = (folder.path() / "a.sock").string();
  const std::string config = answering("pid_file = \"baton.pid\"", "unix:" + path);
  Server killed(folder, config);
  const std::vector<pid_t> workers = killed.workers();
  ASSERT_EQ(workers.size(), 2U);
  Client client = killed.connect();
  EXPECT_EQ(client.get("/").body, "x");
  killed.signal(SIGKILL);
  EXPECT_EQ(killed.wait(), 128 + SIGKILL);
  EXPECT_TRUE(wait_until([&] { return gone(workers); }));
  EXPECT_TRUE(client.closed());
  EXPECT_TRUE(std::filesystem::exists(segment_file(killed)));
  EXPECT_EQ(killed.ctl({"stats"}).status, 1) << "a dead master's segment is no running server";

  Server next(folder, config);
  EXPECT_EQ(next.connect().get("/").body, "x");
  EXPECT_EQ(folder.read("baton.pid"), std::to_string(next.pid()) + "\n");
  EXPECT_EQ(next.stop(), 0);
}

}  // namespace
}  // namespace baton::test
