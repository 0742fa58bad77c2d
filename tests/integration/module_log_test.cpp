// What a module logs from threads of its own: as from a handler.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>

#include <filesystem>
#include <set>
#include <sstream>

#include "tests/support/modules.h"
#include "tests/support/server.h"
#include "tests/support/wait.h"

namespace baton::test {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::MatchesRegex;
using ::testing::Not;

class ModuleLog : public ::testing::Test {
 protected:
  static std::string config(const std::string& level) {
    return "[server]\nworkers = 1\n[log]\nerror = \"error.log\"\nlevel = \"" + level + "\"\n[[site]]\n" +
           module_route("/", module_file("threads"));
  }
  [[nodiscard]] std::string log() const { return folder_.read("error.log"); }

  TempDir folder_;
};

TEST_F(ModuleLog, FromAThreadHasLevelTimeAndWorker) {
  const Server server(folder_, config("warn"));
  EXPECT_EQ(server.connect().get("/one/x").body, "said");
  const std::string text = log();
  EXPECT_THAT(text, Not(HasSubstr("debug x")));
  EXPECT_THAT(text, Not(HasSubstr("info x")));
  std::istringstream lines(text);
  std::string warning;
  while (std::getline(lines, warning) && warning.find("warn x") == std::string::npos) continue;
  EXPECT_THAT(warning,
              MatchesRegex("20..-..-.. ..:..:..\\.[0-9]+ \\[warning\\] worker 0: of a thread: warn x"));
  EXPECT_THAT(text, HasSubstr(" [error] worker 0: of a thread: error x\n"));
  EXPECT_THAT(server.log(), IsEmpty());
}

TEST_F(ModuleLog, FromAThreadGoesIntoTheFileThatTheLogIsNow) {
  const Server server(folder_, config("info"));
  EXPECT_EQ(server.connect().get("/one/before").body, "said");
  std::filesystem::rename(folder_.path() / "error.log", folder_.path() / "error.old");
  server.signal(SIGUSR1);
  EXPECT_TRUE(wait_until([&] { return log().find("logs reopened") != std::string::npos; }));
  EXPECT_EQ(server.connect().get("/one/after").body, "said");
  EXPECT_THAT(log(), HasSubstr("info after"));
  EXPECT_THAT(folder_.read("error.old"), Not(HasSubstr("after")));
}

TEST_F(ModuleLog, FromManyThreadsIsWholeWhileHandlersRun) {
  constexpr std::size_t kLines = 300;
  const Server server(folder_, config("warn"));
  Client client = server.connect();
  EXPECT_EQ(client.get("/many/" + std::to_string(kLines)).body, "begun");
  std::size_t said = 0;
  EXPECT_TRUE(wait_until([&] {
    if (client.get("/say").body == "said") ++said;
    return client.get("/quiet").body == "over";
  }));
  std::istringstream lines(log());
  std::multiset<std::string> all;
  for (std::string line; std::getline(lines, line);) {
    if (line.find("] master: runs as root") != std::string::npos) continue;  // where this is root
    const std::size_t at = line.find("] worker 0: ");
    ASSERT_NE(at, std::string::npos) << line;
    all.insert(line.substr(at + 12));
  }
  EXPECT_EQ(all.count("of the handler end"), said);
  for (int i = 0; i < 4; ++i) {
    for (std::size_t n = 0; n < kLines; ++n)
      ASSERT_EQ(all.count("thread " + std::to_string(i) + " line " + std::to_string(n) + " end"), 1U);
  }
}

}  // namespace
}  // namespace baton::test
