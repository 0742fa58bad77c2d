// The access log and the error log: every request once, with the right numbers, whatever becomes of the
// worker.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>

#include <algorithm>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <sstream>

#include "tests/support/bulk.h"
#include "tests/support/observe.h"
#include "tests/support/server.h"
#include "tests/support/wait.h"

namespace baton::test {
namespace {

using ::testing::HasSubstr;
using ::testing::MatchesRegex;

constexpr std::uint64_t kBig = 24 << 20;

std::string logging(const std::string& log, const std::string& settings = "") {
  return "[server]\nworkers = 2\n[log]\naccess = \"access.log\"\n" + log + "\n" + settings +
         "\n[[listen]]\naddress = \"127.0.0.1:0\"\n"
         "[[site]]\n[[site.route]]\npath = \"/\"\nrespond = { body = \"hello\" }\n"
         "[[site.route]]\npath = \"/files\"\nstatic = { root = \"root\" }\n";
}

class Logs : public ::testing::Test {
 protected:
  Logs() { write_pattern(folder_, "root/big", kBig); }

  [[nodiscard]] std::vector<std::string> lines(const std::string& name = "access.log") const {
    std::istringstream text(folder_.read(name));
    std::vector<std::string> all;
    for (std::string line; std::getline(text, line);) all.push_back(line);
    return all;
  }
  [[nodiscard]] bool has_lines(std::size_t count, const std::string& name = "access.log") const {
    return wait_until([&] { return lines(name).size() >= count; });
  }

  TempDir folder_;
};

// Else it would be a way to send a request that is not logged.
TEST_F(Logs, ALineThatEscapingMakesLargerThanTheBufferIsCut) {
  const std::string large = "[limits]\nheader_bytes = \"64K\"\n";
  for (const char* format : {"combined", "json"}) {
    const Server server(folder_, logging(std::string("access_format = \"") + format + "\"", large));
    Client client = server.connect();
    EXPECT_EQ(
        client.get("/seen-" + std::string(format), "Referer: " + std::string(60'000, '\x80') + "\r\n").status,
        200);
    EXPECT_TRUE(wait_until([&] {
      return folder_.read("access.log").find("/seen-" + std::string(format)) != std::string::npos;
    })) << format;
  }
}

TEST_F(Logs, CombinedLines) {
  const Server server(folder_, logging(""));
  Client client = server.connect();
  EXPECT_EQ(client.get("/a?b=c", "Referer: http://r.example/\r\nUser-Agent: tester/1.0\r\n").status, 200);
  EXPECT_EQ(client.get("/files/none").status, 404);
  EXPECT_EQ(client.exchange("HEAD / HTTP/1.1\r\nHost: x\r\n\r\n", true).status, 200);
  ASSERT_TRUE(has_lines(3)) << "they are written while the server runs";
  std::vector<std::string> all = lines();
  ASSERT_EQ(all.size(), 3U);
  std::sort(all.begin(), all.end(),
            [](const auto& a, const auto& b) { return a.find("\"GET /a") < b.find("\"GET /a"); });
  EXPECT_THAT(
      all,
      ::testing::UnorderedElementsAre(
          MatchesRegex("127\\.0\\.0\\.1 - - \\[[0-9][0-9]/[A-Z][a-z][a-z]/20[0-9][0-9]:[0-9:]* [+-][0-9]*\\] "
                       "\"GET /a\\?b=c HTTP/1\\.1\" 200 5 \"http://r\\.example/\" \"tester/1\\.0\""),
          MatchesRegex(".* \"GET /files/none HTTP/1\\.1\" 404 [1-9][0-9]* \"-\" \"-\""),
          MatchesRegex(".* \"HEAD / HTTP/1\\.1\" 200 0 \"-\" \"-\"")));
}

TEST_F(Logs, CombinedLinesCannotBeForged) {
  const Server server(folder_, logging(""));
  Client client = server.connect();
  EXPECT_EQ(client.get("/", "User-Agent: a\"b\\c\td\xff\r\n").status, 200);
  EXPECT_EQ(client.exchange("GET /\x01\x7f\"x HTTP/1.1\r\nHost: x\r\n\r\n").status, 400);
  ASSERT_TRUE(has_lines(2));
  const std::string text = folder_.read("access.log");
  EXPECT_THAT(text, HasSubstr("\"a\\x22b\\x5cc\\x09d\\xff\"\n"));
  EXPECT_THAT(text, HasSubstr("\"GET /\\x01\\x7f\\x22x HTTP/1.1\" 400 "));
}

TEST_F(Logs, TargetsAreUris) {
  for (const char* format : {"combined", "json"}) {
    const Server server(folder_, logging(std::string("access_format = \"") + format + "\""));
    EXPECT_EQ(server.connect().get("/\xc3\xa9?\"\\\xff").status, 200);
    EXPECT_TRUE(wait_until([&] {
      return folder_.read("access.log").find("GET /%C3%A9?%22%5C%FF HTTP/1.1") != std::string::npos;
    })) << format;
    std::filesystem::remove(folder_.path() / "access.log");
  }
}

TEST_F(Logs, JsonLines) {
  const Server server(folder_, logging("access_format = \"json\""));
  Client client = server.connect();
  EXPECT_EQ(client.get("/", "User-Agent: a\"b\\c\td\xff\r\nReferer: r\r\n").status, 200);
  ASSERT_TRUE(has_lines(1));
  const auto record = nlohmann::json::parse(lines().front());
  EXPECT_EQ(record["remote"], "127.0.0.1");
  EXPECT_EQ(record["request"], "GET / HTTP/1.1");
  EXPECT_EQ(record["status"], 200);
  EXPECT_EQ(record["bytes"], 5);
  EXPECT_EQ(record["referer"], "r");
  EXPECT_EQ(record["user_agent"], "a\"b\\c\td\xef\xbf\xbd");
  EXPECT_THAT(record["time"].get<std::string>(), MatchesRegex("20..-..-..T..:..:..Z"));
  EXPECT_TRUE(record["duration_us"].is_number_unsigned());
}

TEST_F(Logs, ADownloadIsLoggedOnceWhenItHasEnded) {
  const Server server(folder_, logging(""));
  Download download(server.port(), "/files/big", kBig);
  ASSERT_TRUE(wait_until([&] { return count_armed(server, Phase::kParked) == 1; }));
  Client other = server.connect();
  EXPECT_EQ(other.get("/").status, 200);
  ASSERT_TRUE(has_lines(1));
  EXPECT_THAT(lines().front(), HasSubstr("GET / ")) << "the download has not ended";
  EXPECT_TRUE(download.read_rest());
  ASSERT_TRUE(has_lines(2));
  EXPECT_EQ(download.client().get("/last").status, 200);
  ASSERT_TRUE(has_lines(3));
  EXPECT_EQ(lines().size(), 3U);
  EXPECT_THAT(lines()[1], HasSubstr("\"GET /files/big HTTP/1.1\" 200 " + std::to_string(kBig) + " "));
}

TEST_F(Logs, AnAbortedDownloadIsLoggedWithWhatWasSent) {
  const Server server(folder_, logging("access_format = \"json\""));
  Download download(server.port(), "/files/big", kBig);
  EXPECT_TRUE(download.read(1 << 20));
  ASSERT_TRUE(wait_until([&] { return count_armed(server, Phase::kParked) == 1; }));
  download.client().reset();
  ASSERT_TRUE(has_lines(1));
  const auto record = nlohmann::json::parse(lines().front());
  EXPECT_EQ(record["status"], 200);
  EXPECT_EQ(record["bytes"], server.total(&Counters::bytes_out) - download.head().size());
  EXPECT_GE(record["bytes"], 1 << 20);
  EXPECT_LT(record["bytes"], kBig);
}

TEST_F(Logs, NothingIsLostWhenWorkersRetireOrTheServerStops) {
  const std::string config = logging("", "[limits]\nrequests_per_worker = 20");
  Server server(folder_, config);
  Client client = server.connect();
  for (int i = 0; i < 100; ++i) EXPECT_EQ(client.get("/" + std::to_string(i)).status, 200);
  EXPECT_EQ(server.reload(config).status, 0);
  for (int i = 100; i < 150; ++i) EXPECT_EQ(client.get("/" + std::to_string(i)).status, 200);
  client.close();
  EXPECT_EQ(server.stop(), 0);
  EXPECT_EQ(lines().size(), 150U);
  const std::string text = folder_.read("access.log");
  for (int i = 0; i < 150; ++i) EXPECT_THAT(text, HasSubstr("GET /" + std::to_string(i) + " "));
}

TEST_F(Logs, NothingIsLostWhenAWorkerIsKilledBeforeItHasWritten) {
  const Server server(folder_, logging(""));
  const auto unwritten = [&] {
    const auto buffers = server.segment().log_buffers();
    return std::any_of(buffers.begin(), buffers.end(),
                       [](const LogBuffer& b) { return b.length.load() != 0; });
  };
  Client client = server.connect();
  std::size_t requests = 0;
  bool caught = false;
  while (!caught) {  // until they are stopped with a line in hand
    EXPECT_EQ(client.get("/").status, 200);
    ++requests;
    const std::vector<pid_t> workers = server.workers();
    const Stopped first(workers.at(0));
    const Stopped second(workers.at(1));
    caught = unwritten();
    if (!caught) continue;
    const std::size_t before = lines().size();
    EXPECT_LT(before, requests);
    for (const pid_t worker : workers) ::kill(worker, SIGKILL);
    ASSERT_TRUE(wait_until([&] { return gone(workers); }));
  }
  ASSERT_TRUE(has_lines(requests));
  EXPECT_EQ(lines().size(), requests);
}

TEST_F(Logs, AreOpenedAgainAfterTheyWereMoved) {
  const Server server(folder_, logging("error = \"error.log\""));
  const auto reopen_by = [&](const std::string& suffix, const auto& order) {
    Client client = server.connect();
    EXPECT_EQ(client.get("/before-" + suffix).status, 200);
    ASSERT_TRUE(
        wait_until([&] { return folder_.read("access.log").find("before-" + suffix) != std::string::npos; }));
    std::filesystem::rename(folder_.path() / "access.log", folder_.path() / ("access." + suffix));
    std::filesystem::rename(folder_.path() / "error.log", folder_.path() / ("error." + suffix));
    order();
    ASSERT_TRUE(
        wait_until([&] { return folder_.read("error.log").find("logs reopened") != std::string::npos; }));
    EXPECT_EQ(client.get("/after-" + suffix).status, 200);
    ASSERT_TRUE(has_lines(1));
    EXPECT_THAT(folder_.read("access.log"), HasSubstr("GET /after-" + suffix + " "));
    EXPECT_THAT(folder_.read("access." + suffix), ::testing::Not(HasSubstr("after-" + suffix)));
  };
  EXPECT_THAT(folder_.read("error.log"), HasSubstr("ready: 2 workers"));
  reopen_by("1", [&] { server.signal(SIGUSR1); });
  reopen_by("2", [&] { EXPECT_EQ(server.ctl({"reopen"}).status, 0); });
}

TEST_F(Logs, ThatCannotBeOpenedStopTheStart) {
  std::filesystem::create_directory(folder_.path() / "access.log");
  const std::string file = folder_.write("baton.toml", logging(""));
  const Finished done = run_program({baton_binary(), "-c", file});
  EXPECT_EQ(done.status, 1);
  EXPECT_THAT(done.err, HasSubstr((folder_.path() / "access.log").string()));
}

TEST_F(Logs, ThatCannotBeOpenedFailTheReload) {
  const Server server(folder_, logging(""));
  std::filesystem::create_directory(folder_.path() / "taken");
  std::string config = logging("");
  config.replace(config.find("access.log"), 10, "taken");
  const Finished done = server.reload(config);
  EXPECT_EQ(done.status, 1);
  EXPECT_THAT(done.err, HasSubstr("taken"));
  EXPECT_EQ(server.connect().get("/still").status, 200);
  EXPECT_TRUE(wait_until([&] { return folder_.read("access.log").find("/still") != std::string::npos; }));
}

}  // namespace
}  // namespace baton::test
