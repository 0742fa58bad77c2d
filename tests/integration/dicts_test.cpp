// The dictionaries of a running server: over its life, its reloads and upgrades, and its death.
#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <boost/interprocess/mapped_region.hpp>
#include <boost/interprocess/shared_memory_object.hpp>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <set>
#include <stdexcept>

#include "common/dict/object.h"
#include "common/dict/shared_dict.h"
#include "tests/support/observe.h"
#include "tests/support/server.h"
#include "tests/support/shared_dict_client.h"
#include "tests/support/wait.h"

namespace baton::test {
namespace {

namespace fs = std::filesystem;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

std::string dict(const std::string& name, const std::string& size) {
  return "[[dict]]\nname = \"" + name + "\"\nsize = \"" + size + "\"\n";
}

std::string config(const std::string& dicts) {
  return "[server]\nworkers = 2\n[[listen]]\naddress = \"127.0.0.1:0\"\n" + dicts +
         "[[site]]\n[[site.route]]\npath = \"/\"\nrespond = { body = \"x\" }\n"
         "[[site.route]]\npath = \"/status\"\nstatus = true\n"
         "[[site.route]]\npath = \"/files\"\nstatic = { root = \"root\" }\n";
}

class Dicts : public ::testing::Test {
 protected:
  Dicts() { folder_.write("root/a", "a"); }

  void start(const std::string& dicts, const std::string& binary = baton_binary()) {
    server_.reset();
    server_ = std::make_unique<Server>(folder_, config(dicts), binary);
  }
  [[nodiscard]] DictClient open(const std::string& name) const { return DictClient(*server_, name); }
  // Of the dictionaries that the instance has in memory.
  [[nodiscard]] std::set<std::string> objects() const {
    const std::string prefix = Segment::name_for((folder_.path() / "baton.toml").string()) + ".";
    std::set<std::string> names;
    for (const auto& entry : fs::directory_iterator("/dev/shm")) {
      const std::string name = entry.path().filename().string();
      if (name.starts_with(prefix)) names.insert(name.substr(prefix.size()));
    }
    return names;
  }

  TempDir folder_;
  std::unique_ptr<Server> server_;
};

TEST_F(Dicts, LiveAsLongAsTheServer) {
  start(dict("sessions", "1MiB") + dict("limits.v2", "64K"));
  EXPECT_THAT(objects(), ElementsAre("limits.v2", "sessions"));
  struct stat status {};
  ASSERT_EQ(::stat(("/dev/shm/" + dict_object_name(server_->segment().name(), "sessions")).c_str(), &status),
            0);
  EXPECT_EQ(status.st_mode & 07777U, 0600U);
  EXPECT_EQ(status.st_size, 1 << 20);
  for (const pid_t worker : server_->workers()) {
    const std::string maps = folder_.read("/proc/" + std::to_string(worker) + "/maps");
    EXPECT_THAT(maps, HasSubstr(".sessions")) << "workers inherit them";
  }
  EXPECT_EQ(server_->stop(), 0);
  EXPECT_THAT(objects(), IsEmpty());
}

TEST_F(Dicts, AreShownByStatsAndTheStatusPage) {
  start(dict("sessions", "1MiB") + dict("limits", "64K"));
  DictClient sessions = open("sessions");
  sessions.set("a", "1");
  sessions.set("b", "2");
  EXPECT_EQ(sessions.get("a"), "1");
  EXPECT_EQ(sessions.get("c"), "(none)");
  const nlohmann::json dicts = stats(*server_)["dicts"];
  ASSERT_EQ(dicts.size(), 2U);
  EXPECT_EQ(dicts[0]["name"], "limits");
  EXPECT_EQ(dicts[0]["entries"], 0);
  EXPECT_EQ(dicts[1]["name"], "sessions");
  EXPECT_EQ(dicts[1]["entries"], 2);
  EXPECT_EQ(dicts[1]["hits"], 1);
  EXPECT_EQ(dicts[1]["misses"], 1);
  EXPECT_EQ(dicts[1]["bytes_used"], 256);
  EXPECT_THAT(server_->ctl({"stats"}).out, ::testing::ContainsRegex("2 +256B +.* sessions\n"));
  EXPECT_THAT(server_->connect().get("/status", "Accept: text/html\r\n").body, HasSubstr("sessions"));
}

TEST_F(Dicts, KeepTheirContentsOverAReload) {
  start(dict("kept", "1MiB") + dict("dropped", "64K"));
  DictClient kept = open("kept");
  kept.set("a", "1");
  open("dropped").set("a", "1");
  EXPECT_EQ(server_->reload(config(dict("kept", "1024K") + dict("new", "64K"))).status, 0);
  EXPECT_EQ(kept.get("a"), "1");
  EXPECT_EQ(open("kept").get("a"), "1");
  ASSERT_TRUE(wait_until([&] { return !objects().contains("dropped"); }));
  EXPECT_THAT(objects(), ElementsAre("kept", "new"));
  EXPECT_EQ(stats(*server_)["dicts"].size(), 2U);

  EXPECT_EQ(server_->reload(config(dict("kept", "1MiB") + dict("dropped", "64K"))).status, 0);
  EXPECT_EQ(open("dropped").get("a"), "(none)") << "what comes back begins empty";
  EXPECT_EQ(kept.get("a"), "1");
}

TEST_F(Dicts, StayWhileWorkersOfTheOldGenerationUseThem) {
  start(dict("dropped", "64K"));
  const pid_t old = server_->workers().front();
  {
    const Stopped stopped(old);  // it cannot retire
    EXPECT_EQ(server_->reload(config("")).status, 0);
    EXPECT_THAT(objects(), ElementsAre("dropped"));
    open("dropped").set("a", "1");
    // It comes back in time: with what is in it.
    EXPECT_EQ(server_->reload(config(dict("dropped", "64K"))).status, 0);
    EXPECT_EQ(open("dropped").get("a"), "1");
  }
  ASSERT_TRUE(wait_until([&] { return gone(old); }));
  EXPECT_EQ(open("dropped").get("a"), "1");
  EXPECT_EQ(server_->reload(config("")).status, 0);
  EXPECT_TRUE(wait_until([&] { return objects().empty(); }));
}

TEST_F(Dicts, KeepTheirSizeUntilARestartAndSaySo) {
  start(dict("sessions", "1MiB") + dict("limits", "64K"));
  open("sessions").set("a", "1");
  const Finished reload = server_->reload(config(dict("sessions", "2MiB") + dict("limits", "64K")));
  EXPECT_EQ(reload.status, 0);
  EXPECT_THAT(reload.out,
              HasSubstr("; the dictionary 'sessions' keeps its 1.0M until the server is started again"));
  EXPECT_THAT(reload.out, Not(HasSubstr("limits")));
  EXPECT_EQ(open("sessions").get("a"), "1");
  EXPECT_EQ(server_->stop(), 0);
  start(dict("sessions", "2MiB"));
  EXPECT_GT(stats(*server_)["dicts"][0]["bytes_total"], 1 << 20);
}

TEST_F(Dicts, ThatCannotBeMadeFailTheReloadAndLeaveNothing) {
  ::signal(SIGXFSZ, SIG_IGN);
  rlimit before{};
  ::getrlimit(RLIMIT_FSIZE, &before);
  const rlimit small{200 << 20, before.rlim_max};
  ::setrlimit(RLIMIT_FSIZE, &small);  // inherited by the server; stands for a full /dev/shm
  start(dict("sessions", "64K"));
  ::setrlimit(RLIMIT_FSIZE, &before);
  ::signal(SIGXFSZ, SIG_DFL);
  open("sessions").set("a", "1");
  const Finished reload =
      server_->reload(config(dict("sessions", "64K") + dict("fits", "64K") + dict("big", "201M")));
  EXPECT_EQ(reload.status, 1);
  EXPECT_THAT(reload.err, HasSubstr("cannot create the dictionary 'big' of 205824 KiB as /dev/shm/"));
  EXPECT_THAT(reload.err, HasSubstr("File too large"));
  EXPECT_THAT(objects(), ElementsAre("sessions"));
  EXPECT_EQ(open("sessions").get("a"), "1");
  EXPECT_EQ(server_->connect().get("/").body, "x");
}

TEST_F(Dicts, OfAReloadThatFailsGoAgain) {
  start(dict("sessions", "64K"));
  EXPECT_EQ(server_
                ->reload(config(dict("new", "64K") +
                                "[[listen]]\naddress = \"127.0.0.1:" + std::to_string(server_->port()) +
                                "\"\n[[listen]]\naddress = \"203.0.113.1:1\"\n"))
                .status,
            1);
  EXPECT_TRUE(wait_until([&] { return objects() == std::set<std::string>{"sessions"}; }));
}

TEST_F(Dicts, OfAStartThatFailsGoAgain) {
  const std::string file = folder_.write(
      "baton.toml", config(dict("sessions", "64K") + "[[listen]]\naddress = \"203.0.113.1:1\"\n"));
  const Finished start = run_program({baton_binary(), "-c", file});
  EXPECT_EQ(start.status, 1);
  EXPECT_THAT(start.err, HasSubstr("203.0.113.1:1"));
  EXPECT_THAT(objects(), IsEmpty());
}

TEST_F(Dicts, OfADeadMasterAreRemovedByTheNext) {
  start(dict("sessions", "64K") + dict("other", "64K"));
  open("sessions").set("a", "1");
  const std::vector<pid_t> workers = server_->workers();
  ::kill(server_->pid(), SIGKILL);
  server_->wait();
  ASSERT_TRUE(wait_until([&] { return gone(workers); }));
  EXPECT_THAT(objects(), ElementsAre("other", "sessions"));

  std::unique_ptr<Server> dead = std::move(server_);
  start(dict("sessions", "64K"));
  EXPECT_THAT(objects(), ElementsAre("sessions"));
  EXPECT_EQ(open("sessions").get("a"), "(none)") << "nothing vouches for what a dead server has left";
  // A second start with the file of a living server leaves all as it is.
  open("sessions").set("a", "2");
  EXPECT_EQ(run_program({baton_binary(), "-c", server_->config_file()}).status, 1);
  EXPECT_EQ(open("sessions").get("a"), "2");
  server_->stop();
}

TEST_F(Dicts, TellOfEvictionsOnceAMinute) {
  start("[timeouts]\nheader = \"1ms\"\n" + dict("sessions", "64K"));
  DictClient sessions = open("sessions");
  const auto lines = [&] {
    std::istringstream log(server_->log());
    int count = 0;
    for (std::string line; std::getline(log, line);)
      count += line.find("the dictionary 'sessions' of 64K is full: ") != std::string::npos ? 1 : 0;
    return count;
  };
  const std::string value(10'000, 'v');
  const auto overfill = [&] {
    for (int i = 0; i < 20; ++i) sessions.set(std::to_string(i), value);
  };
  overfill();
  ASSERT_TRUE(wait_until([&] { return lines() == 1; }));
  overfill();
  // Whoever says nothing is shown out at a tick of the master's; before the second one it has looked.
  for (int i = 0; i < 2; ++i) EXPECT_TRUE(server_->connect().closed());
  EXPECT_EQ(lines(), 1);
  EXPECT_GT(stats(*server_)["dicts"][0]["evictions"], 20);
}

class UpgradedDicts : public Dicts {
 protected:
  UpgradedDicts() {
    install(baton_binary());
    start(dict("sessions", "1MiB") + dict("dropped", "64K"), program());
    open("sessions").set("a", "1");
  }
  [[nodiscard]] std::string program() const { return (folder_.path() / "baton").string(); }
  void install(const std::string& binary) const {
    fs::copy_file(binary, program() + ".new", fs::copy_options::overwrite_existing);
    fs::rename(program() + ".new", program());
  }
};

TEST_F(UpgradedDicts, GoOn) {
  install(next_baton_binary());
  server_->write_config(config(dict("sessions", "2MiB") + dict("new", "64K")));
  const Finished upgrade = server_->ctl({"upgrade"});
  EXPECT_EQ(upgrade.status, 0) << upgrade.err;
  EXPECT_THAT(upgrade.out,
              HasSubstr("the dictionary 'sessions' keeps its 1.0M until the server is started again"));
  EXPECT_EQ(open("sessions").get("a"), "1");
  ASSERT_TRUE(wait_until([&] { return !objects().contains("dropped"); }));
  EXPECT_THAT(objects(), ElementsAre("new", "sessions"));
  EXPECT_EQ(stats(*server_)["dicts"][1]["entries"], 1);

  install(baton_binary());
  EXPECT_EQ(server_->ctl({"upgrade"}).status, 0);
  EXPECT_EQ(open("sessions").get("a"), "1");
  EXPECT_EQ(server_->reload(config(dict("sessions", "1MiB"))).status, 0);
  EXPECT_EQ(open("sessions").get("a"), "1");
  EXPECT_EQ(server_->stop(), 0);
  EXPECT_THAT(objects(), IsEmpty());
}

TEST_F(UpgradedDicts, OfAnotherLayoutRefuseTheUpgrade) {
  DictClient sessions = open("sessions");
  sessions.header().layout_version += 1;
  install(next_baton_binary());
  const Finished upgrade = server_->ctl({"upgrade"});
  EXPECT_EQ(upgrade.status, 1);
  EXPECT_THAT(upgrade.err, HasSubstr("cannot go on with the dictionary 'sessions': its layout is version 2"));
  EXPECT_EQ(stats(*server_)["server"]["version"], "0.1.0");
  EXPECT_EQ(sessions.get("a"), "1");
  sessions.header().layout_version -= 1;
  EXPECT_EQ(server_->ctl({"upgrade"}).status, 0);
  EXPECT_EQ(open("sessions").get("a"), "1");
}

// A worker that has a request in hand uses its dictionaries to its end.
TEST_F(UpgradedDicts, StayWhileOrphansUseThem) {
  const pid_t old = server_->workers().front();
  {
    const Stopped stopped(old);
    install(next_baton_binary());
    server_->write_config(config(dict("sessions", "1MiB")));
    EXPECT_EQ(server_->ctl({"upgrade"}).status, 0);
    EXPECT_THAT(objects(), ElementsAre("dropped", "sessions"));
  }
  ASSERT_TRUE(wait_until([&] { return gone(old); }));
  EXPECT_TRUE(wait_until([&] { return objects() == std::set<std::string>{"sessions"}; }));
}

}  // namespace
}  // namespace baton::test
