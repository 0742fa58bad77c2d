// The demo site as it is shipped: what its welcome page lets a visitor do, and what must not come of it.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

#include "tests/support/modules.h"
#include "tests/support/sanitizers.h"
#include "tests/support/server.h"
#include "tests/support/wait.h"

namespace baton::test {
namespace {

using ::testing::HasSubstr;

void replace_all(std::string& text, const std::string& what, const std::string& by) {
  ASSERT_NE(text.find(what), std::string::npos) << what << " is not in conf/baton.toml";
  for (std::size_t at = 0; (at = text.find(what, at)) != std::string::npos; at += by.size())
    text.replace(at, what.size(), by);
}

// conf/baton.toml on another port, from another folder.
std::string demo_config() {
  std::ifstream file("conf/baton.toml");
  std::string text{std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
  const std::filesystem::path built = std::filesystem::read_symlink("/proc/self/exe").parent_path();
  replace_all(text, "127.0.0.1:8080", "127.0.0.1:0");
  replace_all(text, "\"site", "\"" + std::filesystem::absolute("conf/site").string());
  replace_all(text, "../build/demo/", (built / "examples/").string());
  return text;
}

// As conf/site/demo.js checks it.
std::size_t wrong_bytes(std::string_view bytes) {
  std::size_t wrong = 0;
  for (std::size_t at = 0; at < bytes.size(); ++at) {
    const std::uint32_t number = static_cast<std::uint32_t>(at / 4) * 2654435761U;
    if (static_cast<unsigned char>(bytes[at]) != (number >> (8 * (at % 4)) & 255)) ++wrong;
  }
  return wrong;
}

nlohmann::json status(Client& client) {
  return nlohmann::json::parse(client.get("/status", "Accept: application/json\r\n").body);
}

TEST(Demo, ThePageIsThere) {
  const TempDir folder;
  const Server server(folder, demo_config());
  Client client = server.connect();
  const std::string page = client.get("/").body;
  for (const std::string file : {"/style.css", "/demo.js", "/baton.svg"}) {
    EXPECT_THAT(page, HasSubstr("\"" + file + "\""));
    EXPECT_EQ(client.get(file).status, 200) << file;
  }
  EXPECT_EQ(page.find("style="), std::string::npos) << "a strict Content-Security-Policy forbids it";
  EXPECT_EQ(page.find(" onclick"), std::string::npos);
  EXPECT_EQ(client.get("/chaos/good").body, "good\n");
}

TEST(Demo, ADownloadGoesOnWhileTheVisitorCrashesHangsAndReloads) {
  const SanitizersLeave the_crashes_alone;
  constexpr std::size_t kBytes = std::size_t{32} << 20;
  constexpr int kCrashes = 20;
  const TempDir folder;
  const Server server(folder, demo_config());
  Client download = server.connect();
  download.receive_little();
  download.send("GET /chaos/download?mib=32 HTTP/1.1\r\nHost: x\r\n\r\n");
  EXPECT_THAT(read_head(download), HasSubstr("Content-Length: " + std::to_string(kBytes) + "\r\n"));
  std::string body = download.read_bytes(1 << 20);

  Client visitor = server.connect();
  Client page = server.connect();
  const auto nobody_else_notices = [&] { EXPECT_EQ(page.get("/hello").status, 200); };
  for (int i = 0; i < kCrashes; ++i) {
    EXPECT_EQ(visitor.get("/chaos/segfault").status, 500);
    nobody_else_notices();
  }
  EXPECT_EQ(visitor.get("/chaos/loop").status, 504);
  nobody_else_notices();
  EXPECT_TRUE(wait_until([&] { return status(page).at("totals").at("restarts") == kCrashes + 1; }));
  EXPECT_EQ(visitor.ask("POST", "/chaos/reload").status, 202);
  EXPECT_TRUE(wait_until([&] { return status(page).at("server").at("generation") == 2; })) << server.log();
  nobody_else_notices();

  body += download.read_bytes(kBytes - body.size());
  EXPECT_EQ(body.size(), kBytes);
  EXPECT_EQ(wrong_bytes(body), 0U);
}

}  // namespace
}  // namespace baton::test
