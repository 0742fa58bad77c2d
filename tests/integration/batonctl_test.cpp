// batonctl against a running server: what it shows agrees with what was done, and what it orders happens.
#include <arpa/inet.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <filesystem>
#include <set>

#include "tests/support/bulk.h"
#include "tests/support/observe.h"
#include "tests/support/server.h"
#include "tests/support/wait.h"

namespace baton::test {
namespace {

using ::testing::HasSubstr;
using ::testing::IsSubsetOf;
using Json = nlohmann::json;

constexpr std::uint64_t kBig = 24 << 20;

const char kConfig[] =
    "[server]\nname = \"shop\"\nworkers = 2\nshutdown_timeout = \"1h\"\n[timeouts]\nsend = \"1h\"\n"
    "[[site]]\n[[site.route]]\npath = \"/\"\nrespond = { body = \"x\" }\n"
    "[[site.route]]\npath = \"/files\"\nstatic = { root = \"root\" }\n"
    "[[site.route]]\npath = \"/away\"\nredirect = { to = \"/\" }\n";

class Batonctl : public ::testing::Test {
 protected:
  static const TempDir& with_files(const TempDir& folder) {
    write_pattern(folder, "root/big", kBig);
    return folder;
  }
  [[nodiscard]] Json json(const std::string& command) const {
    const Finished done = server_.ctl({command, "--json"});
    EXPECT_EQ(done.status, 0) << done.err;
    return Json::parse(done.out);
  }
  // A download that nobody reads on.
  [[nodiscard]] Download parked() const {
    Download download(server_.port(), "/files/big", kBig);
    EXPECT_TRUE(wait_until([&] { return count_armed(server_, Phase::kParked) == 1; }));
    return download;
  }

  TempDir folder_;
  Server server_{with_files(folder_), kConfig};
};

std::set<std::string> keys(const Json& object) {
  std::set<std::string> names;
  for (const auto& [name, value] : object.items()) names.insert(name);
  return names;
}

std::string local_address(const Client& client) {
  sockaddr_in address{};
  socklen_t size = sizeof address;
  ::getsockname(client.fd(), reinterpret_cast<sockaddr*>(&address), &size);
  return "127.0.0.1:" + std::to_string(ntohs(address.sin_port));
}

Json row_of(const Json& rows, const Client& client) {
  for (const Json& row : rows) {
    if (row["peer"] == local_address(client)) return row;
  }
  return nullptr;
}

TEST_F(Batonctl, TheJsonKeysAreAContract) {
  Client client = server_.connect();
  EXPECT_EQ(client.get("/").status, 200);
  const Json all = json("stats");
  EXPECT_EQ(keys(all), (std::set<std::string>{"dicts", "server", "totals", "workers"}));
  const std::set<std::string> server{"name",       "master_pid", "version",
                                     "generation", "uptime_s",   "last_reload"};
  EXPECT_THAT(server, IsSubsetOf(keys(all["server"])));
  const std::set<std::string> totals{"requests", "accepted",  "closed",      "connections", "responses",
                                     "bytes_in", "bytes_out", "claims_lost", "restarts",    "accept_paused"};
  EXPECT_THAT(totals, IsSubsetOf(keys(all["totals"])));
  const std::set<std::string> worker{"worker",   "pid",       "state",    "generation",
                                     "requests", "responses", "bytes_in", "bytes_out"};
  EXPECT_THAT(worker, IsSubsetOf(keys(all["workers"][0])));
  EXPECT_THAT(worker, IsSubsetOf(keys(json("workers")[0])));
  const std::set<std::string> connection{"fd",       "peer",     "state",     "worker", "age_s",
                                         "requests", "bytes_in", "bytes_out", "request"};
  EXPECT_THAT(connection, IsSubsetOf(keys(json("connections")[0])));
}

TEST_F(Batonctl, TheNumbersAreThoseOfWhatWasDone) {
  std::uint64_t in = 0;
  std::uint64_t out = 0;
  const auto request = [&](Client& client, const std::string& text) {
    const Response response = client.exchange(text);
    in += text.size();
    out += response.head.size() + response.body.size();
    return response.status;
  };
  Client first = server_.connect();
  Client second = server_.connect();
  for (int i = 0; i < 7; ++i) EXPECT_EQ(request(first, "GET / HTTP/1.1\r\nHost: x\r\n\r\n"), 200);
  EXPECT_EQ(request(second, "GET /away HTTP/1.1\r\nHost: x\r\n\r\n"), 302);
  EXPECT_EQ(request(second, "GET /files/none HTTP/1.1\r\nHost: x\r\n\r\n"), 404);
  EXPECT_EQ(request(second, "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello"), 200);
  EXPECT_EQ(request(second, "GET /files/big HTTP/1.1\r\nHost: x\r\n\r\n"), 200);
  second.close();
  ASSERT_TRUE(wait_until([&] { return server_.total(&Counters::closed) == 1; }));

  const Json all = json("stats");
  const Json& totals = all["totals"];
  EXPECT_EQ(totals["requests"], 11);
  EXPECT_EQ(totals["accepted"], 2);
  EXPECT_EQ(totals["closed"], 1);
  EXPECT_EQ(totals["connections"], 1);
  EXPECT_EQ(totals["bytes_in"], in);
  EXPECT_EQ(totals["bytes_out"], out);
  EXPECT_EQ(totals["responses"], Json::parse(R"({"1xx":0,"2xx":9,"3xx":1,"4xx":1,"5xx":0})"));
  EXPECT_EQ(totals["workers"], 2);
  std::uint64_t by_worker = 0;
  for (const Json& worker : all["workers"]) by_worker += worker["requests"].get<std::uint64_t>();
  EXPECT_EQ(by_worker, 11U);
  EXPECT_EQ(all["server"]["name"], "shop");
  EXPECT_EQ(all["server"]["master_pid"], server_.pid());
  EXPECT_EQ(all["server"]["generation"], 1);
  EXPECT_EQ(all["server"]["last_reload"], nullptr);

  const Json row = row_of(json("connections"), first);
  EXPECT_EQ(row["requests"], 7);
  EXPECT_EQ(row["bytes_in"], 7 * 27);
  EXPECT_EQ(row["state"], "idle");
}

TEST_F(Batonctl, ShowsWhatEachConnectionIsDoing) {
  Client idle = server_.connect();
  EXPECT_EQ(idle.get("/").status, 200);
  Client head = server_.connect();
  head.send("GET / HTTP/1.1\r\n");
  Client body = server_.connect();
  body.send("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nab");
  Download download = parked();
  ASSERT_TRUE(wait_until(
      [&] { return count_armed(server_, Phase::kBody) == 1 && count_armed(server_, Phase::kHead) == 2; }));
  ASSERT_TRUE(wait_until([&] { return row_of(json("connections"), head)["state"] == "reading"; }));

  const Json rows = json("connections");
  EXPECT_EQ(rows.size(), 4U);
  EXPECT_EQ(row_of(rows, idle)["state"], "idle");
  EXPECT_EQ(row_of(rows, idle)["request"], nullptr);
  EXPECT_EQ(row_of(rows, body)["state"], "reading");
  const Json writing = row_of(rows, download.client());
  EXPECT_EQ(writing["state"], "writing");
  EXPECT_EQ(writing["request"], "GET /files/big HTTP/1.1");
  EXPECT_EQ(writing["worker"], nullptr) << "it belongs to nobody";

  const Finished table = server_.ctl({"connections"});
  EXPECT_EQ(table.status, 0);
  for (const char* word : {"FD", "PEER", "STATE", "idle", "reading", "writing", "GET /files/big HTTP/1.1"})
    EXPECT_THAT(table.out, HasSubstr(word));
  EXPECT_THAT(table.out, HasSubstr(local_address(idle)));
}

TEST_F(Batonctl, ShowsTables) {
  Client client = server_.connect();
  EXPECT_EQ(client.get("/").status, 200);
  for (const char* command : {"stats", "workers"}) {
    const Finished done = server_.ctl({command});
    EXPECT_EQ(done.status, 0);
    for (const pid_t pid : server_.workers()) EXPECT_THAT(done.out, HasSubstr(std::to_string(pid)));
    EXPECT_THAT(done.out, HasSubstr("ready"));
  }
  EXPECT_THAT(server_.ctl({"stats"}).out, HasSubstr("shop"));
}

TEST_F(Batonctl, AsksNoWorker) {
  Client client = server_.connect();
  EXPECT_EQ(client.get("/").status, 200);
  const std::vector<pid_t> workers = server_.workers();
  const Stopped first(workers.at(0));
  const Stopped second(workers.at(1));
  EXPECT_EQ(json("stats")["totals"]["requests"], 1);
  EXPECT_EQ(json("workers").size(), 2U);
  EXPECT_EQ(json("connections").size(), 1U);
}

TEST_F(Batonctl, Reloads) {
  const Finished done = server_.ctl({"reload"});
  EXPECT_EQ(done.status, 0);
  EXPECT_THAT(done.out, HasSubstr("generation 2 serves with 2 workers"));
  const Json report = json("stats")["server"]["last_reload"];
  EXPECT_EQ(report["ok"], true);
  EXPECT_THAT(done.out, HasSubstr(report["message"].get<std::string>()));
}

TEST_F(Batonctl, StopsAndWaits) {
  const Finished done = server_.ctl({"stop"});
  EXPECT_EQ(done.status, 0) << done.err;
  EXPECT_THAT(done.out, HasSubstr("has stopped"));
  EXPECT_EQ(server_.wait(), 0);
  const Finished again = server_.ctl({"stop"});
  EXPECT_EQ(again.status, 1);
  EXPECT_THAT(again.err, HasSubstr("no server is running with " + server_.config_file()));
}

TEST_F(Batonctl, SaysThatAStopTakesLongerAndStopsFast) {
  Download never_read = parked();
  const Finished impatient = server_.ctl({"stop", "--timeout", "1"});
  EXPECT_EQ(impatient.status, 1);
  EXPECT_THAT(impatient.err, HasSubstr("still finishing requests"));
  EXPECT_EQ(server_.ctl({"stop", "--fast"}).status, 0);
  EXPECT_EQ(server_.wait(), 130);
}

TEST(BatonctlAlone, SaysThatNothingIsRunning) {
  const TempDir folder;
  const std::string file = folder.write("baton.toml", "");
  for (const char* command : {"stats", "workers", "connections", "reload", "stop", "reopen"}) {
    const Finished done = run_program({batonctl_binary(), "-c", file, command});
    EXPECT_EQ(done.status, 1) << command;
    EXPECT_THAT(done.err, HasSubstr("no server is running with " + file));
    EXPECT_EQ(done.out, "");
  }
}

TEST(BatonctlAlone, RefusesWrongUsage) {
  for (const std::vector<std::string>& arguments : std::vector<std::vector<std::string>>{
           {}, {"dance"}, {"stats", "--nope"}, {"stats", "--watch", "never"}, {"stop", "--timeout", "0"}}) {
    std::vector<std::string> command{batonctl_binary()};
    command.insert(command.end(), arguments.begin(), arguments.end());
    const Finished done = run_program(command);
    EXPECT_EQ(done.status, 2);
    EXPECT_NE(done.err, "");
  }
  EXPECT_EQ(run_program({batonctl_binary(), "--help"}).status, 0);
}

}  // namespace
}  // namespace baton::test
