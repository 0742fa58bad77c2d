// Who the processes run as, and what they may do. Started by anybody but root a server keeps its user: then
// the same is expected of that one.
#include <gmock/gmock.h>
#include <grp.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <pwd.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>

#include "tests/support/observe.h"
#include "tests/support/server.h"
#include "tests/support/wait.h"

namespace baton::test {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;

constexpr char kListen[] = "[[listen]]\naddress = \"127.0.0.1:0\"\n";
constexpr char kNone[] = "0000000000000000";
constexpr char kBindLowPorts[] = "0000000000000400";

bool root() {
  return ::geteuid() == 0;
}

// Whose server it is in these tests.
passwd account() {
  return root() ? *::getpwnam("nobody") : *::getpwuid(::geteuid());
}

std::string four_times(unsigned id) {
  const std::string text = std::to_string(id);
  return text + "\t" + text + "\t" + text + "\t" + text;
}

// A folder that the server's user may write in, with a copy of the program: the checkout may be closed to it.
class Place {
 public:
  Place() {
    folder_.write("root/a", "open");
    const passwd user = account();
    EXPECT_EQ(::chown(folder_.path().c_str(), user.pw_uid, root() ? user.pw_gid : -1), 0);
    install(baton_binary(), "baton");
    install(batonctl_binary(), "batonctl");
  }
  void install(const std::string& binary, const std::string& name) const {
    const std::string to = path(name);
    fs::copy_file(binary, to + ".new", fs::copy_options::overwrite_existing);
    fs::rename(to + ".new", to);
  }
  [[nodiscard]] std::string path(const std::string& name) const { return (folder_.path() / name).string(); }
  [[nodiscard]] const TempDir& folder() const { return folder_; }

 private:
  TempDir folder_;
};

std::string config(const std::string& settings = "", const std::string& more = "") {
  return static_config("root", "", unprivileged_user() + settings) + more;
}

// A port below 1024 that nobody uses; 0 when none can be bound.
int free_low_port(int below = 1024) {
  for (int port = below - 1; port > 600; --port) {
    const UniqueFd socket(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(static_cast<std::uint16_t>(port));
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (::bind(socket.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) == 0) return port;
  }
  return 0;
}

std::string listen_on(int port) {
  return "[[listen]]\naddress = \"127.0.0.1:" + std::to_string(port) + "\"\n";
}

void expect_unprivileged(pid_t pid, const std::string& permitted) {
  const passwd user = account();
  EXPECT_EQ(status_field(pid, "Uid"), four_times(user.pw_uid));
  if (root()) {
    EXPECT_EQ(status_field(pid, "Gid"), four_times(user.pw_gid));
    EXPECT_THAT(status_field(pid, "Groups"), ::testing::StartsWith(std::to_string(user.pw_gid)))
        << "not root's";
    EXPECT_EQ(status_field(pid, "CapBnd"), kBindLowPorts);
  }
  for (const char* set : {"CapPrm", "CapEff", "CapInh", "CapAmb"})
    EXPECT_EQ(status_field(pid, set), root() ? permitted : kNone) << set;
  EXPECT_EQ(status_field(pid, "NoNewPrivs"), "1");
  struct stat status {};
  ASSERT_EQ(::stat(("/proc/" + std::to_string(pid) + "/environ").c_str(), &status), 0);
  EXPECT_EQ(status.st_uid, root() ? 0U : user.pw_uid) << "dumpable, where it is not asked for";
}

void expect_unprivileged(const Server& server) {
  expect_unprivileged(server.pid(), kBindLowPorts);
  EXPECT_EQ(server.workers().size(), 2U);
  for (const pid_t worker : server.workers()) expect_unprivileged(worker, kNone);
}

TEST(Privileges, NobodyIsRootAfterTheStart) {
  const Place place;
  fs::permissions(place.folder().write("root/secret", "closed"), fs::perms::none);
  Server server(place.folder(), config("pid_file = \"baton.pid\"\n[log]\naccess = \"access.log\""),
                place.path("baton"));
  expect_unprivileged(server);
  Client client = server.connect();
  EXPECT_EQ(client.get("/a").body, "open");
  EXPECT_EQ(client.get("/secret").status, 403);
  EXPECT_TRUE(
      wait_until([&] { return place.folder().read("access.log").find("GET /a ") != std::string::npos; }));

  EXPECT_EQ(server.ctl({"reload"}).status, 0) << server.log();
  expect_unprivileged(server);
  fs::rename(place.path("access.log"), place.path("access.log.1"));
  EXPECT_EQ(server.ctl({"reopen"}).status, 0);
  EXPECT_TRUE(wait_until([&] { return fs::exists(place.path("access.log")); }));

  place.install(next_baton_binary(), "baton");
  EXPECT_EQ(server.ctl({"upgrade"}).status, 0) << server.log();
  EXPECT_EQ(server.header().version, std::string("99.1.2"));
  expect_unprivileged(server);
  EXPECT_EQ(client.get("/a").body, "open");

  ::kill(server.workers().front(), SIGSEGV);
  EXPECT_TRUE(wait_until([&] { return server.log().find("baton::run_worker") != std::string::npos; }))
      << "the process that looks up names is not root either: " << server.log();
  EXPECT_EQ(server.connect().get("/a").body, "open");
  EXPECT_EQ(server.stop(), 0);
  EXPECT_FALSE(fs::exists(place.path("baton.pid")));
  EXPECT_FALSE(fs::exists("/dev/shm/" + server.segment().name()));
}

TEST(Privileges, LowPortsAreBoundAtTheStartAndAtAReloadAndAtAnUpgrade) {
  const Place place;
  const int first = free_low_port();
  if (first == 0) {
    const Finished done =
        run_program({baton_binary(), "-c", place.folder().write("baton.toml", config("", listen_on(700)))});
    EXPECT_EQ(done.status, 1);
    EXPECT_THAT(done.err, HasSubstr("ports below 1024 need root"));
    return;
  }
  const int second = free_low_port(first);
  const int third = free_low_port(second);
  const auto serves = [](int port) {
    return Client::connect_tcp(static_cast<std::uint16_t>(port)).get("/a").body == "open";
  };
  const Server server(place.folder(), config("", listen_on(first)), place.path("baton"));
  EXPECT_TRUE(serves(first));
  EXPECT_EQ(server.reload(config("", listen_on(second))).status, 0) << server.log();
  EXPECT_TRUE(serves(second));
  server.write_config(config("", listen_on(third)));
  EXPECT_EQ(server.ctl({"upgrade"}).status, 0) << server.log();
  EXPECT_TRUE(serves(third));
  EXPECT_EQ(server.reload(config("", listen_on(first))).status, 0) << server.log();
  EXPECT_TRUE(serves(first));
}

TEST(Privileges, AnUnknownUserIsAnError) {
  const TempDir folder;
  folder.write("root/a", "open");
  const std::string file = folder.write("baton.toml", static_config("root", "", "user = \"no-such-user\""));
  const Finished done = run_program({baton_binary(), "-c", file});
  EXPECT_EQ(done.status, 1);
  EXPECT_THAT(done.err, HasSubstr(file + ":3:8: "));
}

TEST(Privileges, RootHasToSayWhoItRunsAs) {
  const TempDir folder;
  folder.write("root/a", "open");
  const std::string file = folder.write("baton.toml", static_config("root") + kListen);
  for (const char* mode : {"-tc", root() ? "-c" : "-tc"}) {
    const Finished done = run_program({"/usr/bin/env", "-u", "BATON_USER", baton_binary(), mode, file});
    if (!root()) {
      EXPECT_EQ(done.err.find("nobody is named"), std::string::npos);
      continue;
    }
    EXPECT_EQ(done.status, 1);
    EXPECT_THAT(done.err, HasSubstr("nobody is named to run as: write user = \""));
  }
  const Finished named = run_program({baton_binary(), "-t", "-c", file, "--user", account().pw_name});
  EXPECT_EQ(named.status, 0) << named.err;
}

TEST(Privileges, RootThatStaysRootIsWarnedOf) {
  const TempDir folder;
  folder.write("root/a", "open");
  const Server server(folder, static_config("root"));
  EXPECT_EQ(folder.read("stderr.txt").find("runs as root") != std::string::npos, root());
  EXPECT_EQ(status_field(server.pid(), "Uid"), four_times(::geteuid()));
}

TEST(Privileges, TheUserOfARunningServerStays) {
  if (!root()) return;  // AnotherUserAndGroupTakeRoot
  const Place place;
  const Server server(place.folder(), config());
  const auto as = [](const std::string& user) {
    return static_config("root", "", "user = \"" + user + "\"");
  };
  server.write_config(as("daemon"));
  server.signal(SIGHUP);
  EXPECT_TRUE(wait_until([&] {
    return server.log().find("'user' is 'daemon', but baton runs as 'nobody'") != std::string::npos;
  })) << server.log();
  EXPECT_EQ(server.connect().get("/a").body, "open");

  const TempDir roots;
  roots.write("root/a", "open");
  const Server other(roots, as("root"));
  EXPECT_THAT(other.reload(as("nobody")).err, HasSubstr("'user' is 'nobody', but the server runs as 'root'"));
}

// What would work at the start, and fail at the next reload, the next rotation or the end.
TEST(Privileges, WhatOnlyRootCouldDoIsRefused) {
  const Place place;
  fs::create_directory(place.path("closed"));
  place.folder().write("closed/there.log", "");
  fs::permissions(place.path("closed/there.log"), fs::perms(0));
  fs::permissions(place.path("closed"), root() ? fs::perms(0755) : fs::perms(0555));
  place.folder().write("module.so", "");
  fs::permissions(place.path("module.so"), fs::perms(0));
  fs::create_directory(place.path("secret"));
  fs::permissions(place.path("secret"), fs::perms(0));
  const std::string route = "[[site.route]]\npath = \"/x\"\n";
  struct Case {
    std::string config;
    std::string told;
  };
  const Server server(place.folder(), config(), place.path("baton"));
  for (const Case& c : std::vector<Case>{
           {config("[log]\nerror = \"closed/error.log\""),
            "cannot make the log " + place.path("closed/error.log")},
           {config("[log]\naccess = \"closed/a.log\""), "cannot make the log " + place.path("closed/a.log")},
           {config("[log]\naccess = \"closed/there.log\""),
            "cannot write to the log " + place.path("closed/there.log")},
           {config("pid_file = \"closed/pid\""),
            "cannot write in " + place.path("closed") + ", the folder of the pid file"},
           {config("", "[[listen]]\naddress = \"unix:closed/s\"\n"),
            "cannot write in " + place.path("closed") + ", the folder of the socket"},
           {config("", route + "static = { root = \"secret\" }\n"),
            "cannot read the root " + place.path("secret")},
           {config("", route + "module = { file = \"module.so\" }\n"),
            "cannot read the module " + place.path("module.so")}}) {
    const std::string told = "the user '" + std::string(account().pw_name) + "' " + c.told;
    EXPECT_THAT(server.reload(c.config).err, HasSubstr(told));
    EXPECT_THAT(server.ctl({"upgrade"}).err, HasSubstr(told));
    const bool listens = c.config.find("[[listen]]") != std::string::npos;
    const std::string file = place.folder().write("other.toml", c.config + (listens ? "" : kListen));
    for (const char* mode : {"-tc", "-c"}) {
      const Finished done = run_program({baton_binary(), mode, file});
      EXPECT_EQ(done.status, 1) << told;
      EXPECT_THAT(done.err, HasSubstr(told));
    }
  }
  EXPECT_EQ(server.connect().get("/a").body, "open");
}

TEST(Privileges, AConfigurationThatOnlyRootMayReadIsRefused) {
  if (!root()) return;  // cannot read it at the start either
  const Place place;
  const std::string file = place.folder().write("baton.toml", config("", kListen));
  fs::permissions(file, fs::perms(0600));
  for (const char* mode : {"-tc", "-c"}) {
    const Finished done = run_program({baton_binary(), mode, file});
    EXPECT_EQ(done.status, 1);
    EXPECT_THAT(done.err, HasSubstr("the user 'nobody' cannot read its configuration " + file));
  }
}

// It is gone with each boot, and only root could make it.
TEST(Privileges, AFolderInRunIsMadeAtAStartAsRoot) {
  if (!root()) return;
  const Place place;
  const fs::path run = "/run/baton-test-" + std::to_string(::getpid());
  const std::string settings = "pid_file = \"" + (run / "pid").string() + "\"";
  const std::string file = place.folder().write("other.toml", config(settings, kListen));
  const Finished checked = run_program({baton_binary(), "-t", "-c", file});
  EXPECT_EQ(checked.status, 0) << checked.err;
  EXPECT_FALSE(fs::exists(run));
  {
    const Server server(place.folder(), config(settings));
    EXPECT_TRUE(fs::exists(run / "pid"));
    EXPECT_EQ(server.reload(config(settings)).status, 0);
  }
  EXPECT_TRUE(fs::is_empty(run));
  fs::remove(run);
}

// -- what others have planted

TEST(Planted, AnothersPidFileLogAndSocketAreNotTaken) {
  if (!root()) return;  // nothing of another's can be made
  const Place place;
  const uid_t another = ::getpwnam("daemon")->pw_uid;
  const std::string precious = place.folder().write("precious", "x");
  EXPECT_EQ(::chown(precious.c_str(), account().pw_uid, account().pw_gid), 0);
  for (const char* name : {"pid", "log"}) {
    fs::create_symlink("precious", place.path(name));
    EXPECT_EQ(::lchown(place.path(name).c_str(), another, another), 0);
  }
  const UniqueFd left(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  const Address address = *Address::parse("unix:" + place.path("socket"));
  EXPECT_EQ(::bind(left.get(), address.data(), address.size()), 0);
  EXPECT_EQ(::lchown(place.path("socket").c_str(), another, another), 0);
  fs::permissions(place.path("socket"),
                  fs::perms(0777));  // who may not connect is not told that nobody listens
  struct Case {
    std::string config;
    std::string told;
  };
  for (const Case& c : {Case{config("pid_file = \"pid\""), "the pid file " + place.path("pid")},
                        Case{config("[log]\nerror = \"log\""), "it is a link that 'daemon' has made"},
                        Case{config("[log]\naccess = \"log\""), "it is a link that 'daemon' has made"},
                        Case{config("", "[[listen]]\naddress = \"unix:socket\"\n"),
                             "a socket is left there that cannot be removed"}}) {
    const bool listens = c.config.find("[[listen]]") != std::string::npos;
    const std::string file = place.folder().write("baton.toml", c.config + (listens ? "" : kListen));
    const Finished done = run_program({baton_binary(), "-c", file});
    EXPECT_EQ(done.status, 1);
    EXPECT_THAT(done.err, HasSubstr(c.told));
  }
  EXPECT_EQ(place.folder().read("precious"), "x");
  EXPECT_TRUE(fs::is_symlink(place.path("pid")));
}

TEST(Planted, AFolderWhereAllMayRemoveIsRefused) {
  const Place place;
  fs::create_directory(place.path("all"));
  fs::permissions(place.path("all"), fs::perms(0777));
  for (const std::string& c :
       {config("pid_file = \"all/pid\"", kListen), config("[log]\nerror = \"all/log\"", kListen),
        config("", "[[listen]]\naddress = \"unix:all/socket\"\n")}) {
    const Finished done = run_program({baton_binary(), "-c", place.folder().write("baton.toml", c)});
    EXPECT_EQ(done.status, 1);
    EXPECT_THAT(done.err, HasSubstr("is open to everybody"));
  }
}

TEST(Planted, ASocketHasItsModeFromTheFirstInstant) {
  const Place place;
  const Server server(place.folder(), config("", "[[listen]]\naddress = \"unix:socket\"\n"));
  struct stat status {};
  ASSERT_EQ(::stat(place.path("socket").c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777, 0666U);
  EXPECT_EQ(server.connect().get("/a").body, "open");
}

// -- the name in /dev/shm

// batonctl as the server's own user.
Finished as_account(std::vector<std::string> arguments) {
  if (root()) arguments.insert(arguments.begin(), {"/usr/bin/setpriv", "--reuid=nobody", "--clear-groups"});
  return run_program(arguments);
}

TEST(SharedMemory, RootAndTheServersUserMayLookAtItAndStopIt) {
  const Place place;
  for (const bool as_root : {true, false}) {
    Server server(place.folder(), config(), place.path("baton"));
    const auto ctl = [&](const std::string& command) {
      return as_root ? server.ctl({command})
                     : as_account({place.path("batonctl"), "-c", server.config_file(), command});
    };
    EXPECT_THAT(ctl("stats").out, HasSubstr("ready")) << ctl("stats").err;
    EXPECT_EQ(ctl("reload").status, 0);
    EXPECT_EQ(ctl("upgrade").status, 0) << server.log();
    server.write_config(config() + "[[[\n");
    EXPECT_THAT(ctl("reload").err, HasSubstr("baton.toml:")) << "the user is still told by a broken file";
    EXPECT_EQ(ctl("stop").status, 0);
    EXPECT_EQ(server.wait(), 0);
  }
}

// A process that nothing may happen to.
class Victim {
 public:
  Victim() : pid_(::fork()) {
    if (pid_ == 0) {
      ::pause();
      ::_exit(0);
    }
  }
  Victim(const Victim&) = delete;
  Victim& operator=(const Victim&) = delete;
  ~Victim() {
    EXPECT_EQ(::kill(pid_, 0), 0);
    EXPECT_EQ(::waitpid(pid_, nullptr, WNOHANG), 0) << "it was ended";
    ::kill(pid_, SIGKILL);
    ::waitpid(pid_, nullptr, 0);
  }
  [[nodiscard]] pid_t pid() const { return pid_; }

 private:
  pid_t pid_;
};

TEST(SharedMemory, WhatNamesAnotherProcessIsNotBelieved) {
  const Place place;
  const std::string file = place.folder().write("baton.toml", config("", kListen));
  const Victim victim;
  Segment forged = Segment::create(Segment::name_for(file), {1024, 64});
  forged.header().master_pid = victim.pid();
  forged.header().master_start = process_start(victim.pid());
  for (const char* command : {"stats", "stop", "reload", "reopen", "upgrade"}) {
    const Finished done = run_program({batonctl_binary(), "-c", file, command});
    EXPECT_EQ(done.status, 1) << command;
    EXPECT_THAT(done.err, HasSubstr("is not the server that made it"));
  }
  forged.unlink();
}

TEST(SharedMemory, AnothersUnderTheNameIsNeitherBelievedNorReplaced) {
  if (!root()) return;  // nobody else's can be made
  const Place place;
  const std::string file = place.folder().write("baton.toml", config("", kListen));
  const std::string object = "/dev/shm/" + Segment::name_for(file);
  const Victim victim;
  Segment forged = Segment::create(Segment::name_for(file), {1024, 64});
  forged.header().master_pid = victim.pid();
  forged.header().master_start = process_start(victim.pid());
  ASSERT_EQ(::chown(object.c_str(), ::getpwnam("daemon")->pw_uid, 1), 0);
  for (const char* command : {"stats", "stop"}) {
    const Finished done = run_program({batonctl_binary(), "-c", file, command});
    EXPECT_EQ(done.status, 1) << command;
    EXPECT_THAT(done.err, HasSubstr(object + " belongs to 'daemon'"));
    EXPECT_THAT(done.err, HasSubstr("rm " + object));
  }
  const Finished start = run_program({baton_binary(), "-c", file});
  EXPECT_EQ(start.status, 1);
  EXPECT_THAT(start.err, HasSubstr(object + " belongs to 'daemon'"));
  EXPECT_TRUE(fs::exists(object));
  fs::remove(object);
}

// Of one that ran as root, or of this very user.
TEST(SharedMemory, ALeftoverOfRootOrOfTheUserIsReplaced) {
  const Place place;
  for (const uid_t owner : {::geteuid(), account().pw_uid}) {
    const std::string object = "/dev/shm/" + Segment::name_for(place.path("baton.toml"));
    Segment left = Segment::create(Segment::name_for(place.path("baton.toml")), {1024, 64});
    left.header().master_start += 1;
    EXPECT_EQ(::chown(object.c_str(), owner, account().pw_gid), 0);
    Server server(place.folder(), config());
    EXPECT_EQ(server.connect().get("/a").body, "open");
    EXPECT_EQ(server.stop(), 0);
  }
}

TEST(SharedMemory, AnObjectOpenToOthersIsRefused) {
  const Place place;
  const std::string file = place.folder().write("baton.toml", config("", kListen));
  const std::string object = "/dev/shm/" + Segment::name_for(file);
  Segment left = Segment::create(Segment::name_for(file), {1024, 64});
  fs::permissions(object, fs::perms(0666));
  EXPECT_THAT(run_program({batonctl_binary(), "-c", file, "stats"}).err, HasSubstr("is open to others"));
  EXPECT_THAT(run_program({baton_binary(), "-c", file}).err, HasSubstr("is open to others"));
  left.unlink();
}

}  // namespace
}  // namespace baton::test
