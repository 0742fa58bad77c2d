// conf/baton.toml is the reference of the options: it must load, name every option, and tell the true
// defaults. Run from the top of the source tree, as `make test` does.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <optional>
#include <set>
#include <sstream>
#include <string>
#include <string_view>
#include <vector>

#include "tests/common/config/fixture.h"

namespace baton {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

constexpr const char* kShipped = "conf/baton.toml";

std::vector<std::string> shipped_lines() {
  std::ifstream file{kShipped};
  EXPECT_TRUE(file) << kShipped << " cannot be opened: run the tests from the top of the source tree";
  std::vector<std::string> lines;
  for (std::string line; std::getline(file, line);) lines.push_back(line);
  return lines;
}

bool is_name(std::string_view text) {
  return !text.empty() && text.find_first_not_of("abcdefghijklmnopqrstuvwxyz_") == std::string_view::npos;
}

// "# key = value" or "# [table]" without the "# "; nothing for other lines.
std::optional<std::string> default_of(const std::string& line) {
  const std::size_t start = line.find_first_not_of(' ');
  if (start == std::string::npos || line.compare(start, 2, "# ") != 0) return std::nullopt;
  std::string option = line.substr(start + 2);
  if (option.starts_with('[') && option.ends_with(']')) return option;
  const std::size_t equals = option.find(" = ");
  if (equals == std::string::npos || !is_name(std::string_view{option}.substr(0, equals)))
    return std::nullopt;
  return option;
}

// The shipped file with every "# key = value" line in force.
std::string uncommented() {
  std::string text;
  int defaults = 0;
  for (const std::string& line : shipped_lines()) {
    const auto option = default_of(line);
    defaults += option ? 1 : 0;
    text += option.value_or(line) + "\n";
  }
  EXPECT_GT(defaults, 20);
  return text;
}

// Every option with a line of its own, in force or not, and every table: "workers", "server", "route".
std::set<std::string> names_of_shipped_options() {
  std::set<std::string> names;
  for (const std::string& line : shipped_lines()) {
    const std::string option = default_of(line).value_or(line);
    const std::size_t start = std::min(option.find_first_not_of(' '), option.size());
    if (option.compare(start, 1, "[") == 0) {
      const std::size_t end = option.find(']');
      const std::size_t begin = option.find_last_of("[.", end) + 1;
      names.insert(option.substr(begin, end - begin));
    } else {
      names.insert(option.substr(start, option.find(" = ") - start));
    }
  }
  return names;
}

TEST(ShippedConfig, LoadsAndServesTheDemo) {
  const ConfigResult result = load_config(kShipped);
  for (const ConfigError& error : result.errors) ADD_FAILURE() << error.to_string();
  ASSERT_TRUE(result.config);
  const Config& config = *result.config;
  EXPECT_GE(config.server.workers, 2U);
  ASSERT_EQ(config.listen.size(), 1U);
  EXPECT_EQ(config.listen[0].address.to_string(), "127.0.0.1:8080");
  ASSERT_EQ(config.sites.size(), 1U);
  std::vector<std::string> paths;
  for (const RouteConfig& route : config.sites[0].routes) paths.push_back(route.path);
  EXPECT_THAT(paths, ElementsAre("/", "/files/", "/chaos/", "/status", "/hello", "/old/"));
  EXPECT_TRUE(
      std::filesystem::exists(std::get<StaticConfig>(config.sites[0].routes[0].action).root + "/index.html"));
  EXPECT_TRUE(std::get<StaticConfig>(config.sites[0].routes[1].action).listing);
}

TEST_F(ConfigTest, TheShippedFileTellsTheTrueDefaults) {
  std::filesystem::create_directories(path("site/files"));
  for (const char* file : {"app.so", "example.com.pem", "example.com.key"}) std::ofstream(path(file)) << "x";
  std::string text = uncommented();
  const std::string built = std::filesystem::absolute("build/demo").string();
  text.replace(text.find("../build/demo"), std::strlen("../build/demo"), built);
  const Config config = good(text);
  const Config defaults;

  EXPECT_EQ(config.server.name, defaults.server.name);
  EXPECT_EQ(config.server.max_connections, defaults.server.max_connections);
  EXPECT_EQ(config.server.account.user, defaults.server.account.user);
  EXPECT_EQ(config.server.account.group, defaults.server.account.group);
  EXPECT_EQ(config.server.account.uid, defaults.server.account.uid);
  EXPECT_EQ(config.server.account.gid, defaults.server.account.gid);
  EXPECT_EQ(config.server.pid_file, defaults.server.pid_file);
  EXPECT_EQ(config.server.shutdown_timeout, defaults.server.shutdown_timeout);
  EXPECT_EQ(config.server.spool_dir, defaults.server.spool_dir);
  EXPECT_EQ(config.log.error, defaults.log.error);
  EXPECT_EQ(config.log.level, defaults.log.level);
  EXPECT_EQ(config.log.access, defaults.log.access);
  EXPECT_EQ(config.log.access_format, defaults.log.access_format);
  EXPECT_EQ(config.timeouts.header, defaults.timeouts.header);
  EXPECT_EQ(config.timeouts.keep_alive, defaults.timeouts.keep_alive);
  EXPECT_EQ(config.timeouts.body, defaults.timeouts.body);
  EXPECT_EQ(config.timeouts.send, defaults.timeouts.send);
  EXPECT_EQ(config.timeouts.handler, defaults.timeouts.handler);
  EXPECT_EQ(config.limits.header_bytes, defaults.limits.header_bytes);
  EXPECT_EQ(config.limits.header_fields, defaults.limits.header_fields);
  EXPECT_EQ(config.limits.body_bytes, defaults.limits.body_bytes);
  EXPECT_EQ(config.limits.spool_memory, defaults.limits.spool_memory);
  EXPECT_EQ(config.limits.spool_memory_total, defaults.limits.spool_memory_total);
  EXPECT_EQ(config.limits.spool_disk_total, defaults.limits.spool_disk_total);
  EXPECT_EQ(config.limits.stream_backlog, defaults.limits.stream_backlog);
  EXPECT_EQ(config.limits.requests_per_connection, defaults.limits.requests_per_connection);
  EXPECT_EQ(config.limits.requests_per_worker, defaults.limits.requests_per_worker);
  EXPECT_EQ(config.limits.worker_memory, defaults.limits.worker_memory);
  EXPECT_EQ(config.limits.connections_per_address, defaults.limits.connections_per_address);
  EXPECT_EQ(config.limits.module_workers, defaults.limits.module_workers);
  EXPECT_EQ(config.limits.retries, defaults.limits.retries);
  ASSERT_EQ(config.listen.size(), 1U);
  EXPECT_EQ(config.listen[0].backlog, ListenConfig{}.backlog);
  EXPECT_EQ(config.listen[0].reserve, ListenConfig{}.reserve);
  EXPECT_EQ(config.listen[0].tls, ListenConfig{}.tls);
  EXPECT_EQ(config.listen[0].redirect_to_https, ListenConfig{}.redirect_to_https);
  EXPECT_EQ(config.tls.tls12, defaults.tls.tls12);
  EXPECT_EQ(config.tls.tls13, defaults.tls.tls13);
  EXPECT_EQ(config.tls.ciphers, defaults.tls.ciphers);
  EXPECT_EQ(config.tls.suites, defaults.tls.suites);
  EXPECT_EQ(config.tls.groups, defaults.tls.groups);
  EXPECT_EQ(config.tls.session_tickets, defaults.tls.session_tickets);
  EXPECT_EQ(config.tls.unknown_name, defaults.tls.unknown_name);
  EXPECT_EQ(config.tls.handshakes, config.tls.keyholders * 1'024);
  ASSERT_EQ(config.sites.size(), 1U);
  EXPECT_THAT(config.sites[0].hosts, ElementsAre());
  EXPECT_EQ(config.sites[0].client_ca, SiteConfig{}.client_ca);
  EXPECT_EQ(config.sites[0].client_auth, SiteConfig{}.client_auth);
  EXPECT_EQ(config.sites[0].redirect_to_https, SiteConfig{}.redirect_to_https);
  ASSERT_EQ(config.sites[0].certificates.size(), 1U);
  EXPECT_EQ(config.sites[0].certificates[0].ocsp, CertificateConfig{}.ocsp);
  ASSERT_EQ(config.sites[0].routes.size(), 7U);
  EXPECT_EQ(config.sites[0].routes[0].allow.size(), 0U);
  EXPECT_EQ(config.sites[0].routes[0].deny.size(), 0U);

  const auto& files = std::get<StaticConfig>(config.sites[0].routes[0].action);
  EXPECT_EQ(files.index, StaticConfig{}.index);
  EXPECT_EQ(files.listing, StaticConfig{}.listing);
  EXPECT_EQ(files.cache_control, StaticConfig{}.cache_control);
  EXPECT_EQ(files.precompressed, StaticConfig{}.precompressed);
  EXPECT_EQ(files.fallback, StaticConfig{}.fallback);
  const auto& module = std::get<ModuleConfig>(config.sites[0].routes[2].action);
  EXPECT_EQ(module.config, ModuleConfig{}.config);
  EXPECT_EQ(module.timeout, defaults.timeouts.handler);
  EXPECT_EQ(module.max_body, defaults.limits.body_bytes);
  EXPECT_EQ(module.max_concurrency, ModuleConfig{}.max_concurrency);
  EXPECT_EQ(module.retries, defaults.limits.retries);
  const auto& respond = std::get<RespondConfig>(config.sites[0].routes[5].action);
  EXPECT_EQ(respond.status, RespondConfig{}.status);
  EXPECT_EQ(respond.type, RespondConfig{}.type);
  EXPECT_EQ(std::get<RedirectConfig>(config.sites[0].routes[6].action).status, RedirectConfig{}.status);
}

// The loader lists the keys it knows when an unknown one is near none of them: each must be in the shipped
// file.
TEST_F(ConfigTest, TheShippedFileNamesEveryOption) {
  const std::set<std::string> named = names_of_shipped_options();
  const ConfigResult result = load(R"(zzzzzzzz = 1
server.zzzzzzzz = 1
log.zzzzzzzz = 1
timeouts.zzzzzzzz = 1
limits.zzzzzzzz = 1
tls.zzzzzzzz = 1
[[listen]]
address = "*:0"
zzzzzzzz = 1
[[dict]]
name = "a"
size = "1M"
zzzzzzzz = 1
[[site]]
zzzzzzzz = 1
certificates = [{ chain = "baton.toml", key = "baton.toml", zzzzzzzz = 1 }]
[[site.route]]
path = "/a"
zzzzzzzz = 1
static = { root = "site", zzzzzzzz = 1 }
[[site.route]]
path = "/b"
redirect = { to = "/", zzzzzzzz = 1 }
[[site.route]]
path = "/c"
respond = { zzzzzzzz = 1 }
)");
  ASSERT_EQ(result.errors.size(), 14U);
  for (const ConfigError& error : result.errors) {
    const std::string label = "known keys: ";
    const std::size_t list = error.message.find(label);
    ASSERT_NE(list, std::string::npos) << error.message;
    std::istringstream keys{error.message.substr(list + label.size())};
    for (std::string key; keys >> key;) {
      if (key.ends_with(',')) key.pop_back();
      EXPECT_TRUE(named.contains(key)) << "'" << key << "' of: " << error.message;
    }
  }
}

}  // namespace
}  // namespace baton
