// An upgrade executes another program in the master's place, and no client notices.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <filesystem>
#include <fstream>
#include <functional>
#include <iterator>
#include <regex>
#include <thread>

#include "common/base/version.h"
#include "tests/support/bulk.h"
#include "tests/support/listening.h"
#include "tests/support/observe.h"
#include "tests/support/server.h"
#include "tests/support/wait.h"

namespace baton::test {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;
using ::testing::MatchesRegex;

constexpr char kListen[] = "[[listen]]\naddress = \"127.0.0.1:0\"\n";

std::string answering(const std::string& settings = "", const std::string& more = "") {
  return "[server]\nworkers = 2\n" + settings + "\n" + kListen + more +
         "[[site]]\n[[site.route]]\npath = \"/\"\nrespond = { body = \"x\" }\n"
         "[[site.route]]\npath = \"/files\"\nstatic = { root = \"root\" }\n";
}

// A server that was started from a copy of the program, which a test can replace.
class Installed {
 public:
  explicit Installed(const std::string& config = answering()) {
    folder_.write("root/a", "a");
    install(baton_binary());
    server_ = std::make_unique<Server>(folder_, config, program());
  }

  [[nodiscard]] Server& server() const { return *server_; }
  [[nodiscard]] const TempDir& folder() const { return folder_; }
  [[nodiscard]] std::string program() const { return (folder_.path() / "baton").string(); }

  // As a package manager does: the new file takes the old one's name at once.
  void install(const std::string& binary) const {
    fs::copy_file(binary, program() + ".new", fs::copy_options::overwrite_existing);
    fs::rename(program() + ".new", program());
  }
  void install_text(const std::string& text) const {
    folder_.write("baton.new", text);
    ::chmod((program() + ".new").c_str(), 0755);
    fs::rename(program() + ".new", program());
  }

  [[nodiscard]] bool no_orphans() const {
    return wait_until([&] { return server_->header().orphans.load() == 0; });
  }

 private:
  TempDir folder_;
  std::unique_ptr<Server> server_;
};

std::string message(const CommandReport& report) {
  return report.message;
}

// Waits for the report of an upgrade that was asked for with a signal; the first one is 2.
bool reported(const Server& server, std::uint32_t sequence = 2) {
  return wait_until([&] { return server.header().upgrade.sequence.load() >= sequence; });
}

TEST(Upgrade, ConnectionsInEveryStateGoOn) {
  constexpr std::uint64_t kBig = 24 << 20;
  const Installed installed;
  const Server& server = installed.server();
  write_pattern(installed.folder(), "root/big", kBig);
  Client idle = server.connect();
  EXPECT_EQ(idle.get("/").body, "x");
  Client head = server.connect();
  head.send("GET / HTTP/1.1\r\nHo");
  Client body = server.connect();
  body.send("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nhello");
  Client pipelined = server.connect();
  pipelined.send("GET /files/a HTTP/1.1\r\nHost: x\r\n\r\nGET / HTTP/1.1\r\nHost: x\r\n");
  EXPECT_EQ(pipelined.receive().body, "a");
  Download download(server.port(), "/files/big", kBig);
  ASSERT_TRUE(wait_until([&] {
    return count_armed(server, Phase::kHead) == 3 && count_armed(server, Phase::kBody) == 1 &&
           count_armed(server, Phase::kParked) == 1;
  }));
  const std::vector<pid_t> old = server.workers();
  const std::uint64_t started = server.header().start_ns;

  installed.install(next_baton_binary());
  const Finished done = server.ctl({"upgrade"});
  EXPECT_EQ(done.status, 0) << done.err << server.log();
  EXPECT_THAT(done.out,
              MatchesRegex("upgraded from 0\\.1\\.0 to 99\\.1\\.2 in [0-9]+ ms; 5 connections went on\n"));
  ASSERT_TRUE(wait_until([&] { return gone(old); })) << server.log();
  EXPECT_TRUE(installed.no_orphans());
  EXPECT_EQ(server.workers().size(), 2U);
  EXPECT_EQ(server.header().master_pid.load(), server.pid());

  EXPECT_EQ(idle.get("/").body, "x");
  head.send("st: x\r\n\r\n");
  EXPECT_EQ(head.receive().body, "x");
  body.send("world");
  EXPECT_EQ(body.receive().body, "x");
  pipelined.send("\r\nGET /files/a HTTP/1.1\r\nHost: x\r\n\r\n");
  EXPECT_EQ(pipelined.receive().body, "x");
  EXPECT_EQ(pipelined.receive().body, "a");
  EXPECT_TRUE(download.read_rest());
  EXPECT_TRUE(download.complete());
  for (Client* client : {&idle, &head, &body, &pipelined, &download.client()})
    EXPECT_EQ(client->get("/").body, "x");
  EXPECT_EQ(server.connect().get("/").body, "x");

  const nlohmann::json now = stats(server);
  EXPECT_EQ(now["server"]["version"], "99.1.2");
  EXPECT_EQ(now["server"]["generation"], 2);
  EXPECT_EQ(now["totals"]["requests"], 14) << "what was counted before goes on";
  EXPECT_EQ(now["totals"]["accepted"], 6);
  EXPECT_EQ(server.header().start_ns, started);
}

TEST(Upgrade, OverAUnixSocketConnectionsGoOnToo) {
  const Installed installed(
      "[[listen]]\naddress = \"unix:socket\"\n[[site]]\n[[site.route]]\npath = \"/\"\n"
      "respond = { body = \"x\" }\n");
  const Server& server = installed.server();
  Client idle = server.connect();
  EXPECT_EQ(idle.get("/").body, "x");
  Client head = server.connect();
  head.send("GET / HTTP/1.1\r\nHo");
  ASSERT_TRUE(wait_until([&] { return count_armed(server, Phase::kHead) == 2; }));
  for (int i = 0; i < 3; ++i) ASSERT_EQ(server.ctl({"upgrade"}).status, 0) << server.log();
  head.send("st: x\r\n\r\n");
  EXPECT_EQ(head.receive().body, "x");
  EXPECT_EQ(idle.get("/").body, "x");
  EXPECT_EQ(server.connect().get("/").body, "x");
}

TEST(Upgrade, ManyUnderLoadFailNoRequest) {
  constexpr std::size_t kClients = 8;
  constexpr std::uint32_t kUpgrades = 30;
  const Installed installed;
  const Server& server = installed.server();
  std::atomic<bool> done{false};
  std::atomic<std::uint64_t> answered{0};
  std::vector<std::string> trouble(kClients);
  std::vector<std::thread> threads;
  for (std::size_t i = 0; i < kClients; ++i) {
    threads.emplace_back([&, i] {
      try {
        Client client = server.connect();
        while (!done) {
          if (i % 2 == 0) client = server.connect();  // so that accepting and closing go on all the time
          const std::string target = i % 4 < 2 ? "/files/a" : "/";
          if (client.get(target).body != (i % 4 < 2 ? "a" : "x")) trouble[i] = "a request failed";
          ++answered;
        }
      } catch (const std::runtime_error& error) {
        trouble[i] = error.what();
      }
    });
  }
  std::string failed;
  for (std::uint32_t i = 0; i < kUpgrades; ++i) {
    installed.install(i % 2 == 0 ? next_baton_binary() : baton_binary());
    const Finished upgrade = server.ctl({"upgrade"});
    if (upgrade.status != 0) failed += upgrade.err;
    const std::uint64_t before = answered;
    if (!wait_until([&] { return answered > before + kClients; })) failed += "nobody is served any more\n";
  }
  done = true;
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(failed, "") << server.log();
  EXPECT_THAT(trouble, ::testing::Each(""));
  EXPECT_EQ(server.header().generation.load(), 1 + kUpgrades);
  EXPECT_TRUE(installed.no_orphans());
}

TEST(Upgrade, AProgramThatCannotTakeOverChangesNothing) {
  const Installed installed(answering("max_connections = 100"));
  const Server& server = installed.server();
  Client client = server.connect();
  EXPECT_EQ(client.get("/").body, "x");
  const std::vector<pid_t> workers = server.workers();
  const std::size_t descriptors = open_descriptors(server).size();
  struct Case {
    std::function<void()> install;
    std::string why;
  };
  const Case cases[] = {
      {[&] { installed.install_text("no program"); }, "Exec format error"},
      {[&] { installed.install("/bin/false"); }, "ended with status 1"},
      {[&] { installed.install("/bin/true"); }, "does not answer like baton"},
      {[&] { installed.install_text("#!/bin/sh\necho '{}'\n"); }, "does not answer like baton"},
      {[&] { installed.install_text("#!/bin/sh\nkill -SEGV $$\n"); }, "killed by signal 11"},
      {[&] { installed.install_text("#!/bin/sh\necho no library >&2; exit 127\n"); }, "no library"},
      {[&] { installed.install(other_baton_binary()); },
       "its layout is version " + std::to_string(kLayoutVersion) +
           " of baton 0.1.0, this program reads version 999"},
      {[&] { fs::remove(installed.program()); }, "No such file"},
  };
  for (const Case& bad : cases) {
    bad.install();
    const Finished done = server.ctl({"upgrade"});
    EXPECT_EQ(done.status, 1) << bad.why;
    EXPECT_THAT(done.err, HasSubstr(bad.why));
    EXPECT_THAT(server.log(), HasSubstr(bad.why));
    EXPECT_EQ(client.get("/").body, "x");
    EXPECT_EQ(server.connect().get("/").body, "x");
  }
  EXPECT_EQ(server.workers(), workers);
  EXPECT_EQ(server.header().generation.load(), 1U);
  EXPECT_STREQ(server.header().version, "0.1.0");
  EXPECT_EQ(server.header().frozen.load(), 0U);
  EXPECT_TRUE(wait_until([&] { return open_descriptors(server).size() == descriptors; }));
  installed.install(next_baton_binary());
  EXPECT_EQ(server.ctl({"upgrade"}).status, 0) << "and a good one is still welcome";
  EXPECT_EQ(client.get("/").body, "x");
}

TEST(Upgrade, AConfigurationThatHasBecomeBadChangesNothing) {
  const Installed installed(answering("max_connections = 100"));
  const Server& server = installed.server();
  const UniqueFd taken = listen_on("127.0.0.1:0");
  const std::string taken_text = address_of(taken);
  struct Case {
    std::string config;
    std::string why;
  };
  const Case cases[] = {
      {"[server]\nworkerz = 2\n" + std::string(kListen), ":2:1: "},
      {answering("max_connections = 101"), "max_connections = 101 is above the 100"},
      {answering("max_connections = 100", "[[listen]]\naddress = \"" + taken_text + "\"\n"),
       ":7:11: cannot listen on " + taken_text},
      {answering("max_connections = 100\n[log]\naccess = \"root\"\n"), "root"},
  };
  Client client = server.connect();
  EXPECT_EQ(client.get("/").body, "x");
  const std::size_t descriptors = open_descriptors(server).size();
  for (const Case& bad : cases) {
    server.write_config(bad.config);
    const Finished done = server.ctl({"upgrade"});
    EXPECT_EQ(done.status, 1) << bad.why;
    EXPECT_THAT(done.err, HasSubstr(bad.why));
    EXPECT_EQ(client.get("/").body, "x");
  }
  EXPECT_EQ(server.header().generation.load(), 1U);
  EXPECT_EQ(server.header().listener_count.load(), 1U);
  EXPECT_TRUE(wait_until([&] { return open_descriptors(server).size() == descriptors; }));
}

TEST(Upgrade, ARootThatItsUserMayNotReadChangesNothing) {
  const Installed installed(answering(unprivileged_user()));
  const Server& server = installed.server();
  fs::create_directory(installed.folder().path() / "secret");
  fs::permissions(installed.folder().path() / "secret", fs::perms::none);
  server.write_config("[server]\n" + unprivileged_user() + std::string(kListen) +
                      "[[site]]\n[[site.route]]\npath = \"/\"\nstatic = { root = \"secret\" }\n");
  const Finished done = server.ctl({"upgrade"});
  EXPECT_EQ(done.status, 1);
  EXPECT_THAT(done.err, HasSubstr("cannot read the root"));
  EXPECT_EQ(server.connect().get("/").body, "x");
}

TEST(Upgrade, TakesUpTheConfigurationAsItIsThen) {
  const TempDir elsewhere;
  const std::string path = (elsewhere.path() / "a.sock").string();
  const std::string other_path = (elsewhere.path() / "b.sock").string();
  const auto unix_listen = [](const std::string& at) {
    return "[[listen]]\naddress = \"unix:" + at + "\"\n";
  };
  const std::string second = "[[listen]]\naddress = \"127.0.0.2:0\"\n";
  const Installed installed(answering("", second + unix_listen(path)));
  const Server& server = installed.server();
  const std::uint16_t port = server.port();
  const std::uint16_t dropped = server.port(1);
  Client over_dropped = Client::connect_tcp(dropped, "127.0.0.2");
  EXPECT_EQ(over_dropped.get("/").body, "x");
  Client over_unix = Client::connect_unix(path);
  EXPECT_EQ(over_unix.get("/").body, "x");
  // An orphan has descriptors of its own: what is closed would stay open with it.
  const pid_t orphan = server.workers().front();
  ASSERT_TRUE(wait_until([&] { return server.connections_in(SlotState::kHeld) == 0; }));
  const Stopped stopped(orphan);

  server.write_config("[server]\nname = \"new\"\nworkers = 3\n" + std::string(kListen) +
                      unix_listen(other_path) +
                      "[[site]]\n[[site.route]]\npath = \"/\"\nrespond = { body = \"new\" }\n");
  ASSERT_EQ(server.ctl({"upgrade"}).status, 0) << server.log();
  EXPECT_EQ(server.port(), port);
  EXPECT_EQ(server.connect().get("/").body, "new");
  EXPECT_EQ(server.workers().size(), 3U);
  EXPECT_STREQ(server.header().name, "new");
  EXPECT_EQ(Client::connect_unix(other_path).get("/").body, "new");
  EXPECT_TRUE(wait_until([&] { return refuses(dropped, "127.0.0.2"); }));
  EXPECT_EQ(over_dropped.get("/").body, "new");
  EXPECT_EQ(over_unix.get("/").body, "new");
  EXPECT_FALSE(gone(orphan));
}

// Stops a worker while it holds a connection of `server`; the claim says so.
pid_t stop_in_the_middle(const Server& server, int& connection) {
  pid_t held_by = -1;
  const bool found = wait_until([&] {
    for (const pid_t worker : server.workers()) {
      ::kill(worker, SIGSTOP);
      if (!wait_until([&] { return status_field(worker, "State").starts_with("T"); })) return false;
      const WorkerEntry& entry = entry_of(server, worker);
      const std::uint32_t fd = entry.flight.connection.load();
      const bool moving = entry.flight.sockets_in_motion.load() % 2 + entry.flight.files_in_motion.load() % 2;
      if (fd != FlightRecord::kNoConnection && !moving &&
          server.segment().connections().claim(static_cast<int>(fd)).state == SlotState::kHeld) {
        connection = static_cast<int>(fd);
        held_by = worker;
        return true;
      }
      ::kill(worker, SIGCONT);
    }
    return false;
  });
  if (!found) throw std::runtime_error("no worker was found at work");
  return held_by;
}

// Downloads again and again, without haste, until it is told that one more is enough.
class Downloader {
 public:
  explicit Downloader(const Installed& installed)
      : port_(installed.server().port()),
        file_(write_pattern(installed.folder(), "root/big", kBig)),
        thread_([this] { run(); }) {}
  Downloader(const Downloader&) = delete;
  Downloader& operator=(const Downloader&) = delete;
  ~Downloader() { enough_ = true; }

  // Lets the download under way end. What was not as it should be; "" for nothing.
  std::string finish() {
    enough_ = true;
    thread_.join();
    return trouble_;
  }

 private:
  static constexpr std::uint64_t kBig = 64 << 20;

  void run() {
    try {
      do {
        Download download(port_, "/files/big", kBig);
        download.read_rest();
        if (!download.complete())
          trouble_ += "right up to byte " + std::to_string(download.received()) + "\n";
        if (download.client().get("/").body != "x") trouble_ += "no answer after it\n";
      } while (!enough_);
    } catch (const std::runtime_error& error) {
      trouble_ += error.what();
    }
  }

  std::uint16_t port_;
  std::string file_;
  std::atomic<bool> enough_{false};
  std::string trouble_;
  std::jthread thread_;
};

TEST(Upgrade, AWorkerInTheMiddleOfADownloadGoesOnWithIt) {
  const Installed installed;
  const Server& server = installed.server();
  Downloader downloader(installed);
  int connection = -1;
  const pid_t orphan = stop_in_the_middle(server, connection);
  const Finished done = server.ctl({"upgrade"});
  EXPECT_EQ(done.status, 0) << done.err << server.log();
  EXPECT_TRUE(wait_until([&] { return server.header().orphans.load() == 1; }))
      << "the other has nothing in hand";
  EXPECT_EQ(server.connect().get("/").body, "x");
  EXPECT_EQ(server.segment().connections().claim(connection).state, SlotState::kHeld);
  EXPECT_FALSE(gone(orphan));
  ::kill(orphan, SIGCONT);
  EXPECT_EQ(downloader.finish(), "");
  EXPECT_TRUE(wait_until([&] { return gone(orphan); }));
  EXPECT_TRUE(installed.no_orphans());
}

TEST(Upgrade, AnOrphanThatIsKilledLeavesItsDownloadToOthers) {
  const Installed installed;
  const Server& server = installed.server();
  Downloader downloader(installed);
  int connection = -1;
  const pid_t orphan = stop_in_the_middle(server, connection);
  EXPECT_EQ(server.ctl({"upgrade"}).status, 0) << server.log();
  ::kill(orphan, SIGKILL);
  EXPECT_EQ(downloader.finish(), "");
  EXPECT_TRUE(installed.no_orphans());
  EXPECT_EQ(server.workers().size(), 2U);
}

TEST(Upgrade, TheServerIsWhatItWasAfterwards) {
  const Installed installed(
      answering("pid_file = \"pid\"\n[log]\naccess = \"access.log\"\nerror = \"error.log\"\n"));
  Server& server = installed.server();
  const TempDir& folder = installed.folder();
  const std::string pid = std::to_string(server.pid()) + "\n";
  Client client = server.connect();
  for (int i = 0; i < 3; ++i) {
    EXPECT_EQ(client.get("/").body, "x");
    ASSERT_EQ(server.ctl({"upgrade"}).status, 0) << folder.read("error.log");
    EXPECT_EQ(folder.read("pid"), pid);
  }
  fs::rename(folder.path() / "access.log", folder.path() / "access.1");
  EXPECT_EQ(server.ctl({"reopen"}).status, 0);
  EXPECT_TRUE(wait_until([&] { return fs::exists(folder.path() / "access.log"); }));
  EXPECT_EQ(client.get("/").body, "x");
  EXPECT_EQ(server.ctl({"reload"}).status, 0);
  EXPECT_EQ(client.get("/").body, "x");
  const pid_t victim = server.workers().front();
  ::kill(victim, SIGKILL);
  EXPECT_TRUE(wait_until([&] { return gone(victim) && server.workers().size() == 2; }));
  EXPECT_EQ(client.get("/").body, "x");
  EXPECT_EQ(server.stop(), 0);
  EXPECT_FALSE(fs::exists(folder.path() / "pid"));
  const std::string lines = folder.read("access.1") + folder.read("access.log");
  EXPECT_EQ(std::count(lines.begin(), lines.end(), '\n'), 6);
  EXPECT_EQ(server.log(), "") << "the log is a file";
}

TEST(Upgrade, LeavesNoDescriptorBehind) {
  const Installed installed(answering("[log]\naccess = \"access.log\"\n"));
  const Server& server = installed.server();
  Client client = server.connect();
  EXPECT_EQ(client.get("/files/a").body, "a");
  const std::size_t before = open_descriptors(server).size();
  for (int i = 0; i < 5; ++i) {
    ASSERT_EQ(server.ctl({"upgrade"}).status, 0) << server.log();
    ASSERT_TRUE(installed.no_orphans());
    EXPECT_EQ(client.get("/files/a").body, "a");
  }
  EXPECT_TRUE(wait_until([&] { return open_descriptors(server).size() == before; }))
      << open_descriptors(server).size() << " instead of " << before;
}

TEST(Upgrade, FollowsALinkThatIsPointedElsewhere) {
  const TempDir folder;
  const std::string link = (folder.path() / "baton").string();
  fs::create_symlink(baton_binary(), link);
  const Server server(folder,
                      "[server]\nworkers = 1\n[[site]]\n[[site.route]]\npath = \"/\"\nstatus = true\n", link);
  fs::create_symlink(next_baton_binary(), link + ".new");
  fs::rename(link + ".new", link);
  EXPECT_EQ(server.ctl({"upgrade"}).status, 0) << server.log();
  EXPECT_STREQ(server.header().version, "99.1.2");
}

// A new program that answers only when the test lets it, and meanwhile the old one does all it ever did.
class SlowProgram {
 public:
  explicit SlowProgram(const Installed& installed) : installed_(installed) {
    const std::string gate = (installed.folder().path() / "gate").string();
    const std::string asked = (installed.folder().path() / "asked").string();
    if (::mkfifo(gate.c_str(), 0600) != 0) throw std::runtime_error("mkfifo");
    installed.install_text("#!/bin/sh\nif [ \"$1\" = --upgrade-probe ]; then echo >" + asked + "; read x <" +
                           gate + "; fi\nexec " + next_baton_binary() + " \"$@\"\n");
  }
  [[nodiscard]] bool asked() const {
    return wait_until([&] { return fs::exists(installed_.folder().path() / "asked"); });
  }
  void let_it() const { std::ofstream(installed_.folder().path() / "gate") << "go\n"; }

 private:
  const Installed& installed_;
};

TEST(Upgrade, TheOldProgramServesWhileTheNewOneIsAsked) {
  const Installed installed;
  const Server& server = installed.server();
  const SlowProgram program(installed);
  server.signal(SIGUSR2);
  ASSERT_TRUE(program.asked());
  EXPECT_EQ(server.connect().get("/").body, "x");
  const pid_t victim = server.workers().front();
  ::kill(victim, SIGKILL);
  EXPECT_TRUE(wait_until([&] { return gone(victim) && server.workers().size() == 2; }));
  server.signal(SIGUSR2);  // no second one
  server.signal(SIGHUP);   // afterwards
  program.let_it();
  ASSERT_TRUE(reported(server)) << server.log();
  EXPECT_EQ(server.header().upgrade.ok.load(), 1U) << message(server.header().upgrade);
  EXPECT_TRUE(wait_until([&] { return server.header().reload.sequence.load() == 2; })) << server.log();
  EXPECT_EQ(server.header().generation.load(), 3U);
  EXPECT_EQ(server.header().upgrade.sequence.load(), 2U);
  EXPECT_EQ(server.connect().get("/").body, "x");
}

TEST(Upgrade, AStopEndsOneThatIsUnderWay) {
  const Installed installed;
  Server& server = installed.server();
  const SlowProgram program(installed);
  server.signal(SIGUSR2);
  ASSERT_TRUE(program.asked());
  EXPECT_EQ(server.stop(), 0);
  EXPECT_THAT(server.log(), HasSubstr("upgrade failed, version 0.1.0 goes on: the server stops"));
}

TEST(Upgrade, WithAStopAtWhateverMomentItEndsInOrder) {
  for (int i = 0; i < 10; ++i) {
    const Installed installed;
    Server& server = installed.server();
    Client client = server.connect();
    client.send("GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    EXPECT_EQ(client.receive().body, "x");
    server.signal(SIGUSR2);
    std::this_thread::sleep_for(std::chrono::milliseconds(3 * i));  // not for order: for a moment of its own
    EXPECT_EQ(server.stop(), 0) << server.log();
  }
}

TEST(Upgrade, WaitsForAReload) {
  const Installed installed;
  const Server& server = installed.server();
  installed.install(next_baton_binary());
  server.signal(SIGHUP);
  server.signal(SIGUSR2);
  ASSERT_TRUE(reported(server)) << server.log();
  EXPECT_EQ(server.header().upgrade.ok.load(), 1U) << message(server.header().upgrade);
  EXPECT_TRUE(wait_until([&] { return server.header().reload.sequence.load() == 2; }));
  EXPECT_TRUE(wait_until([&] { return server.header().generation.load() == 3; })) << server.log();
  EXPECT_STREQ(server.header().version, "99.1.2");
  EXPECT_EQ(server.connect().get("/").body, "x");
}

TEST(Upgrade, WhenTheMasterDiesAfterwardsItsWorkersEnd) {
  const Installed installed;
  Server& server = installed.server();
  ASSERT_EQ(server.ctl({"upgrade"}).status, 0);
  const std::vector<pid_t> workers = server.workers();
  ::kill(server.pid(), SIGKILL);
  EXPECT_EQ(server.wait(), 128 + SIGKILL);
  EXPECT_TRUE(wait_until([&] { return gone(workers); }));
}

// Nothing can be saved then, but it is said, and what is left is in nobody's way.
TEST(Upgrade, AProgramThatFailsAfterItsPromiseEndsTheServer) {
  const Installed installed(answering("[log]\nerror = \"error.log\"\n"));
  Server& server = installed.server();
  Client client = server.connect();
  EXPECT_EQ(client.get("/").body, "x");
  const std::vector<pid_t> workers = server.workers();
  const std::string config = server.config_file();
  installed.install_text("#!/bin/sh\n[ \"$1\" = --upgrade-probe ] || echo rubbish >" + config + "\nexec " +
                         next_baton_binary() + " \"$@\"\n");
  const Finished done = server.ctl({"upgrade"});
  EXPECT_EQ(done.status, 1);
  EXPECT_THAT(done.err, HasSubstr("the server ended during the upgrade"));
  EXPECT_EQ(server.wait(), 1);
  EXPECT_THAT(installed.folder().read("error.log"),
              HasSubstr("the upgrade has failed, all connections are lost: " + config + ":1:"));
  EXPECT_TRUE(client.closed());
  EXPECT_TRUE(wait_until([&] { return gone(workers); }));
  const Server again(installed.folder(), answering());
  EXPECT_EQ(again.connect().get("/").body, "x");
}

TEST(Upgrade, TheProbeIsOnlyForAServerToCall) {
  const Installed installed;
  const Finished done =
      run_program({installed.program(), "--upgrade-probe", "-c", installed.server().config_file()});
  EXPECT_EQ(done.status, 1);
  EXPECT_THAT(done.err, HasSubstr("batonctl upgrade"));
}

}  // namespace
}  // namespace baton::test
