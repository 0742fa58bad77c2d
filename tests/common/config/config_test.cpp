#include "common/config/config.h"

#include <gmock/gmock.h>
#include <grp.h>
#include <gtest/gtest.h>
#include <pwd.h>
#include <sched.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>

#include "common/base/privileges.h"
#include "tests/common/config/fixture.h"

namespace baton {
namespace {

using namespace std::chrono_literals;
using testing::ElementsAre;
using testing::HasSubstr;

constexpr std::string_view kSmallest = R"([[listen]]
address = "127.0.0.1:0"
[[site]]
)";

Peer peer_of(std::string_view text) {
  const Address address = Address::parse(text).value();
  sockaddr_storage storage{};
  std::copy_n(reinterpret_cast<const char*>(address.data()), address.size(),
              reinterpret_cast<char*>(&storage));
  return Peer::from_sockaddr(storage);
}

TEST_F(ConfigTest, TheSmallestFileHasEveryDefault) {
  const Config config = good(kSmallest);
  EXPECT_EQ(config.file, path("baton.toml"));
  EXPECT_EQ(config.server.name, "baton");
  EXPECT_EQ(config.server.max_connections, 10'000U);
  EXPECT_EQ(config.server.account.uid, std::nullopt);
  EXPECT_EQ(config.server.shutdown_timeout, 10s);
  EXPECT_EQ(config.log.error, "stderr");
  EXPECT_EQ(config.log.access, "off");
  EXPECT_EQ(config.timeouts.keep_alive, 60s);
  EXPECT_EQ(config.limits.header_bytes, 16'384U);
  EXPECT_EQ(config.limits.header_fields, 100U);
  ASSERT_EQ(config.listen.size(), 1U);
  EXPECT_EQ(config.listen[0].text, "127.0.0.1:0");
  EXPECT_EQ(config.listen[0].backlog, 511);
  EXPECT_EQ(config.listen[0].reserve, 0U);
  EXPECT_EQ(config.limits.connections_per_address, 0U);
  EXPECT_EQ(config.listen[0].line, 2U);
  EXPECT_EQ(config.listen[0].column, 11U);
  ASSERT_EQ(config.sites.size(), 1U);
  EXPECT_THAT(config.sites[0].hosts, ElementsAre());
}

TEST_F(ConfigTest, AutomaticWorkersFollowTheCpusThisProcessMayUse) {
  cpu_set_t all;
  ASSERT_EQ(sched_getaffinity(0, sizeof all, &all), 0);
  const auto expected = std::clamp<std::uint32_t>(static_cast<std::uint32_t>(CPU_COUNT(&all)), 2, 64);
  EXPECT_EQ(good(kSmallest).server.workers, expected);
  EXPECT_EQ(good("server.workers = \"auto\"\n" + std::string{kSmallest}).server.workers, expected);

  int first = 0;
  while (!CPU_ISSET(first, &all)) ++first;
  cpu_set_t one;
  CPU_ZERO(&one);
  CPU_SET(first, &one);
  ASSERT_EQ(sched_setaffinity(0, sizeof one, &one), 0);
  EXPECT_EQ(good(kSmallest).server.workers, 2U);
  EXPECT_EQ(sched_setaffinity(0, sizeof all, &all), 0);
}

TEST_F(ConfigTest, HandlersMayHoldAllWorkersButOne) {
  const auto most = [&](const std::string& workers, const std::string& said) {
    return module_workers(good("server.workers = " + workers + "\n" + said + "\n" + std::string{kSmallest}));
  };
  EXPECT_EQ(most("8", ""), 7U);
  EXPECT_EQ(most("8", "limits.module_workers = \"auto\""), 7U);
  EXPECT_EQ(most("2", ""), 1U);
  EXPECT_EQ(most("1", ""), 1U) << "there is no other";
  EXPECT_EQ(most("8", "limits.module_workers = 8"), 8U);
  EXPECT_EQ(most("8", "limits.module_workers = 3"), 3U);
  EXPECT_EQ(most("8", "limits.module_workers = 9"), 8U) << "as many as there are";
}

TEST_F(ConfigTest, ReadsEveryTableOfValues) {
  const Config config = good(R"(
[server]
name = "front.1"
workers = 64
max_connections = 1_000_000
pid_file = "run.pid"
shutdown_timeout = "2m"
[log]
error = "error.log"
level = "debug"
access = "stdout"
access_format = "json"
[timeouts]
header = "500ms"
keep_alive = "1h"
body = "1ms"
send = "24h"
handler = "90s"
[limits]
header_bytes = "64K"
header_fields = 1000
body_bytes = "2G"
requests_per_connection = 4294967295
requests_per_worker = 9223372036854775807
worker_memory = "256M"
retries = 0
module_workers = 60
connections_per_address = 20
[[listen]]
address = "[::1]:0"
backlog = 65535
reserve = 8
[[listen]]
address = "unix:./site/../x.sock"
[[dict]]
name = "sessions"
size = "16MiB"
[[dict]]
name = "rate.limits-2_x"
size = 65536
[[site]]
)");
  EXPECT_EQ(config.server.name, "front.1");
  EXPECT_EQ(config.server.workers, 64U);
  EXPECT_EQ(config.server.max_connections, 1'000'000U);
  EXPECT_EQ(config.server.pid_file, path("run.pid"));
  EXPECT_EQ(config.server.shutdown_timeout, 2min);
  EXPECT_EQ(config.log.error, path("error.log"));
  EXPECT_EQ(config.log.level, "debug");
  EXPECT_EQ(config.log.access, "stdout");
  EXPECT_EQ(config.log.access_format, LogConfig::AccessFormat::kJson);
  EXPECT_EQ(config.timeouts.header, 500ms);
  EXPECT_EQ(config.timeouts.keep_alive, 1h);
  EXPECT_EQ(config.timeouts.body, 1ms);
  EXPECT_EQ(config.timeouts.send, 24h);
  EXPECT_EQ(config.timeouts.handler, 90s);
  EXPECT_EQ(config.limits.header_bytes, 65'536U);
  EXPECT_EQ(config.limits.header_fields, 1'000U);
  EXPECT_EQ(config.limits.body_bytes, 2ULL << 30);
  EXPECT_EQ(config.limits.requests_per_connection, 4'294'967'295U);
  EXPECT_EQ(config.limits.requests_per_worker, 9'223'372'036'854'775'807ULL);
  EXPECT_EQ(config.limits.worker_memory, 256ULL << 20);
  EXPECT_EQ(config.limits.module_workers, 60U);
  EXPECT_EQ(module_workers(config), 60U);
  EXPECT_EQ(config.limits.retries, 0U);
  EXPECT_EQ(config.limits.connections_per_address, 20U);
  ASSERT_EQ(config.dicts.size(), 2U);
  EXPECT_EQ(config.dicts[0].name, "sessions");
  EXPECT_EQ(config.dicts[0].bytes, 16U << 20);
  EXPECT_EQ(config.dicts[1].name, "rate.limits-2_x");
  EXPECT_EQ(config.dicts[1].bytes, 65'536U);
  ASSERT_EQ(config.listen.size(), 2U);
  EXPECT_EQ(config.listen[0].backlog, 65'535);
  EXPECT_EQ(config.listen[0].reserve, 8U);
  EXPECT_EQ(most_connections(config), config.server.max_connections + 8);
  EXPECT_EQ(config.listen[1].text, "unix:./site/../x.sock");
  EXPECT_EQ(config.listen[1].address.unix_path(), path("x.sock"));
  EXPECT_FALSE(std::filesystem::exists(path("x.sock")));
  EXPECT_FALSE(std::filesystem::exists(path("error.log")));
}

TEST_F(ConfigTest, ReadsSitesAndEveryKindOfRoute) {
  const Config config = good(R"(
listen = [{ address = "127.0.0.1:0" }]
[[site]]
hosts = ["Example.COM", "*.example.org", "127.0.0.1", "[::1]", "foo_bar"]
  [[site.route]]
  path = "/"
  headers = { "X-B" = "1", "X-A" = " \ttwo words\t" }
  allow = ["10.0.0.0/8", "unix"]
  deny = ["10.1.0.0/16"]
    [site.route.static]
    root = "site"
    index = "home.html"
    listing = true
    cache_control = " no-store "
    precompressed = true
    fallback = "/app/index.html"
  [[site.route]]
  path = "/old/"
  redirect = { to = "https://{host}/new{uri}", status = 308 }
  [[site.route]]
  path = "/status"
  status = true
[[site]]
  [[site.route]]
  path = "/files/"
    [site.route.static]
    root = "./site/files/"
    index = ["a.html", "b.html"]
  [[site.route]]
  path = "/hello"
  respond = { status = 503, body = "later\n", type = "text/html" }
)");
  ASSERT_EQ(config.sites.size(), 2U);
  EXPECT_THAT(config.sites[0].hosts,
              ElementsAre("example.com", "*.example.org", "127.0.0.1", "[::1]", "foo_bar"));
  ASSERT_EQ(config.sites[0].routes.size(), 3U);

  const RouteConfig& route = config.sites[0].routes[0];
  EXPECT_EQ(route.path, "/");
  const auto& files = std::get<StaticConfig>(route.action);
  EXPECT_EQ(files.root, path("site"));
  EXPECT_THAT(files.index, ElementsAre("home.html"));
  EXPECT_TRUE(files.listing);
  EXPECT_EQ(files.cache_control, "no-store");
  EXPECT_TRUE(files.precompressed);
  EXPECT_EQ(files.fallback, "app/index.html");
  ASSERT_EQ(route.headers.size(), 2U);
  EXPECT_EQ(route.headers[0].name, "X-B");
  EXPECT_EQ(route.headers[1].name, "X-A");
  EXPECT_EQ(route.headers[1].value, "two words");
  ASSERT_EQ(route.allow.size(), 2U);
  EXPECT_TRUE(route.allow[0].contains(peer_of("10.9.9.9:1")));
  EXPECT_TRUE(route.allow[1].contains(Peer{}));
  ASSERT_EQ(route.deny.size(), 1U);
  EXPECT_FALSE(route.deny[0].contains(peer_of("10.9.9.9:1")));

  const auto& redirect = std::get<RedirectConfig>(config.sites[0].routes[1].action);
  EXPECT_EQ(redirect.to, "https://{host}/new{uri}");
  EXPECT_EQ(redirect.status, 308);
  EXPECT_TRUE(std::holds_alternative<StatusConfig>(config.sites[0].routes[2].action));

  const auto& listed = std::get<StaticConfig>(config.sites[1].routes[0].action);
  EXPECT_EQ(listed.root, path("site/files"));
  EXPECT_THAT(listed.index, ElementsAre("a.html", "b.html"));
  const auto& respond = std::get<RespondConfig>(config.sites[1].routes[1].action);
  EXPECT_EQ(respond.status, 503);
  EXPECT_EQ(respond.body, "later\n");
  EXPECT_EQ(respond.type, "text/html");
}

TEST_F(ConfigTest, AnotherUserAndGroupTakeRoot) {
  const std::string user = getpwnam("nobody")->pw_uid == geteuid() ? "daemon" : "nobody";
  const std::string text =
      "server.user = \"" + user + "\"\nserver.group = \"tty\"\n" + std::string{kSmallest};
  const ConfigResult result = load(text);
  if (geteuid() == 0) {
    ASSERT_TRUE(result.config);
    EXPECT_EQ(result.config->server.account.uid, getpwnam(user.c_str())->pw_uid);
    EXPECT_EQ(result.config->server.account.gid, getgrnam("tty")->gr_gid);
    EXPECT_EQ(result.config->server.account.user, user);
  } else {
    ASSERT_EQ(result.errors.size(), 2U);
    EXPECT_THAT(result.errors[0].to_string(),
                HasSubstr(":1:15: 'user' is '" + user + "', but baton runs as "));
    EXPECT_THAT(result.errors[0].to_string(), HasSubstr("only a start as root can change that"));
    EXPECT_THAT(result.errors[1].to_string(), HasSubstr(":2:16: 'group' is 'tty', but"));
  }
}

TEST_F(ConfigTest, OnesOwnUserMayBeNamed) {
  const std::string own = getpwuid(geteuid())->pw_name;
  EXPECT_EQ(good("server.user = \"" + own + "\"\n" + std::string{kSmallest}).server.account.uid, geteuid());
}

TEST_F(ConfigTest, WithoutAUserTheEnvironmentsIsTaken) {
  const std::string own = getpwuid(geteuid())->pw_name;
  ASSERT_EQ(setenv(kUserVariable, own.c_str(), 1), 0);
  EXPECT_EQ(good(kSmallest).server.account.uid, geteuid());
  ASSERT_EQ(setenv(kUserVariable, "no such user", 1), 0);
  EXPECT_EQ(good("server.user = \"" + own + "\"\n" + std::string{kSmallest}).server.account.user, own);
  const ConfigResult result = load(kSmallest);
  ASSERT_EQ(unsetenv(kUserVariable), 0);
  ASSERT_EQ(result.errors.size(), 1U);
  EXPECT_THAT(result.errors[0].to_string(), HasSubstr("'no such user', which this system does not know"));
}

TEST_F(ConfigTest, PathsStartAtTheRealFileBehindALink) {
  std::filesystem::create_directories(path("etc"));
  write(kSmallest);
  std::filesystem::create_symlink(path("baton.toml"), path("etc/link.toml"));
  const ConfigResult result = load_config(path("etc/../etc/link.toml"));
  ASSERT_TRUE(result.config);
  EXPECT_EQ(result.config->file, path("baton.toml"));
}

// A folder of that name may be pointed elsewhere later, and a root is to follow.
TEST_F(ConfigTest, RootsKeepTheNamesOfLinkedFolders) {
  std::filesystem::create_directories(folder_ / "releases/1/conf");
  std::filesystem::create_directories(folder_ / "releases/1/site");
  std::filesystem::create_directory_symlink("releases/1", folder_ / "current");
  const auto root_of = [&](const std::string& root, const std::string& file) {
    write(std::string{kSmallest} + "[[site.route]]\npath = \"/\"\nstatic = { root = \"" + root + "\" }\n",
          "releases/1/conf/baton.toml");
    const ConfigResult result = load_config(path(file));
    for (const ConfigError& error : result.errors) ADD_FAILURE() << error.to_string();
    return result.config ? std::get<StaticConfig>(result.config->sites[0].routes[0].action).root : "";
  };
  std::filesystem::create_directories(folder_ / "releases/1/conf/pages");
  EXPECT_EQ(root_of("pages", "current/conf/baton.toml"), path("current/conf/pages"));
  EXPECT_EQ(root_of(path("current") + "/site/", "current/conf/baton.toml"), path("current/site"));
  EXPECT_EQ(root_of("../site", "current/conf/baton.toml"), path("releases/1/site"));
  std::filesystem::create_symlink("current/conf/baton.toml", folder_ / "linked.toml");
  EXPECT_EQ(root_of("pages", "linked.toml"), path("current/conf/pages"));
  EXPECT_EQ(root_of("pages", "releases/1/conf/baton.toml"), path("releases/1/conf/pages"));
}

TEST_F(ConfigTest, AddressesThatGoTogether) {
  const Config config = good(R"([[listen]]
address = "*:80"
[[listen]]
address = "[::]:80"
[[listen]]
address = "127.0.0.1:81"
[[listen]]
address = "127.0.0.2:81"
[[listen]]
address = "*:0"
[[listen]]
address = "127.0.0.1:0"
[[site]]
)");
  EXPECT_EQ(config.listen.size(), 6U);
}

TEST_F(ConfigTest, AFileThatCannotBeReadIsOneErrorWithoutALine) {
  struct Case {
    std::string file;
    std::string message;
  };
  ASSERT_EQ(mkfifo(path("fifo").c_str(), 0600), 0);
  write(std::string((1 << 20) + 1, '#'), "huge.toml");
  for (const Case& c :
       {Case{path("none.toml"), "cannot be opened: No such file or directory"},
        Case{path("site"), "is not a regular file"}, Case{path("fifo"), "is not a regular file"},
        Case{path("huge.toml"), "is larger than 1 MiB"}}) {
    const ConfigResult result = load_config(c.file);
    EXPECT_FALSE(result.config);
    ASSERT_EQ(result.errors.size(), 1U);
    EXPECT_EQ(result.errors[0].line, 0U);
    EXPECT_EQ(result.errors[0].to_string(), c.file + ": " + c.message);
  }
}

TEST_F(ConfigTest, AFileOfTheLargestSizeIsRead) {
  std::string text{kSmallest};
  text += "#" + std::string((1 << 20) - text.size() - 1, 'x');
  EXPECT_EQ(good(text).listen.size(), 1U);
}

}  // namespace
}  // namespace baton
