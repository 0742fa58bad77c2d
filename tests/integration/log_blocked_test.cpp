// Logs that cannot be written, or not be opened: the server goes on, drops lines, counts them, and says so.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <filesystem>
#include <nlohmann/json.hpp>
#include <sstream>

#include "tests/support/fifo.h"
#include "tests/support/observe.h"
#include "tests/support/server.h"
#include "tests/support/wait.h"

namespace baton::test {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

std::string logging_to(const std::string& access, const std::string& error,
                       const std::string& format = "json") {
  return "[server]\nworkers = 2\n[log]\naccess = \"" + access + "\"\nerror = \"" + error +
         "\"\naccess_format = \"" + format +
         "\"\n[[listen]]\naddress = \"127.0.0.1:0\"\n"
         "[[site]]\n[[site.route]]\npath = \"/\"\nrespond = { body = \"hello\" }\n";
}

class BlockedLogs : public ::testing::Test {
 protected:
  [[nodiscard]] std::string path(const std::string& name) const { return (folder_.path() / name).string(); }

  // Requests until `done()`: lines are written a second after the first of them.
  template <typename Done>
  static bool ask_until(const Server& server, Done done) {
    return wait_until([&] { return server.connect().get("/").status != 200 || done(); }) && done();
  }
  static bool access_lines_are_dropped(const Server& server) {
    const std::uint64_t before = server.header().access_log.lines.load();
    return ask_until(server, [&] { return server.header().access_log.lines.load() > before; });
  }
  // One worker killed, and another in its place.
  static void expect_replacement(const Server& server) {
    const pid_t victim = server.workers().at(0);
    ::kill(victim, SIGKILL);
    EXPECT_TRUE(wait_until([&] {
      const std::vector<pid_t> workers = server.workers();
      return workers.size() == 2 && std::find(workers.begin(), workers.end(), victim) == workers.end();
    }));
  }
  // That all commands are obeyed, and the server stops.
  static void expect_obedience(Server& server, const std::string& config) {
    EXPECT_TRUE(access_lines_are_dropped(server));
    expect_replacement(server);
    EXPECT_EQ(server.reload(config).status, 0);
    EXPECT_EQ(server.ctl({"reopen"}).status, 0);
    EXPECT_TRUE(access_lines_are_dropped(server));
    EXPECT_EQ(server.ctl({"upgrade"}).status, 0);
    EXPECT_TRUE(access_lines_are_dropped(server));
    expect_replacement(server);
    EXPECT_GT(server.header().error_log.lines.load(), 0U);
    EXPECT_EQ(server.stop(), 0);
  }
  // Makes `name` what cannot be a log.
  void make_unfit(const std::string& kind, const std::string& name) {
    std::filesystem::remove(path(name));
    if (kind == "fifo") {
      ASSERT_EQ(::mkfifo(path(name).c_str(), 0600), 0);
    }
    if (kind == "folder") std::filesystem::create_directory(path(name));
    if (kind != "socket") return;
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    path(name).copy(address.sun_path, sizeof address.sun_path - 1);
    const UniqueFd fd(::socket(AF_UNIX, SOCK_STREAM, 0));
    ASSERT_EQ(::bind(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address), 0);
  }

  // What a start or a reload says of it; of a folder the reading of the configuration does.
  [[nodiscard]] std::string refusal(const std::string& kind, const std::string& reason) const {
    return kind == "folder" ? path(kind) + " is a folder"
                            : "cannot open the log " + path(kind) + ": " + reason;
  }

  TempDir folder_;
};

constexpr std::pair<const char*, const char*> kUnfit[] = {{"fifo", "it is a FIFO that nobody reads"},
                                                          {"folder", "it is a directory"},
                                                          {"socket", "it is a socket"}};

// -- full, and not read

TEST_F(BlockedLogs, AFullPipeOnStandardOutputAndErrorHoldsUpNothing) {
  const Fifo out(path("out"));
  const Fifo err(path("err"));
  const std::string config = logging_to("stdout", "stderr");
  Server server(folder_, config, baton_binary(), {"out", "err"});
  out.fill();
  err.fill();
  expect_obedience(server, config);
}

TEST_F(BlockedLogs, AFullPipeByItsNameHoldsUpNothing) {
  const Fifo access(path("access"));
  const Fifo error(path("error"));
  const std::string config = logging_to("access", "error");
  Server server(folder_, config);
  access.fill();
  error.fill();
  expect_obedience(server, config);
}

TEST_F(BlockedLogs, AReaderThatHasGoneHoldsUpNothing) {
  Fifo out(path("out"));
  Fifo err(path("err"));
  const std::string config = logging_to("stdout", "stderr");
  Server server(folder_, config, baton_binary(), {"out", "err"});
  out.close();
  err.close();
  expect_obedience(server, config);
}

TEST_F(BlockedLogs, AFullPipeDoesNotHoldUpAFastStop) {
  const Fifo out(path("out"));
  const Fifo err(path("err"));
  Server server(folder_, logging_to("stdout", "stderr"), baton_binary(), {"out", "err"});
  out.fill();
  err.fill();
  EXPECT_TRUE(access_lines_are_dropped(server));
  const Client open = server.connect();
  server.signal(SIGINT);
  EXPECT_EQ(server.wait(), 128 + SIGINT);
}

// Whoever started us may go on to write to the same pipe, and counts on its waiting.
TEST_F(BlockedLogs, TheOpenFileOfWhoeverStartedUsIsLeftAsItWas) {
  const Fifo out(path("out"));
  const Server server(folder_, logging_to("stdout", "stderr"), baton_binary(), {"out", "stderr.txt"});
  for (const char* number : {"1", "2"}) {
    std::istringstream info(folder_.read("/proc/" + std::to_string(server.pid()) + "/fdinfo/" + number));
    std::string word;
    while (info >> word && word != "flags:") continue;
    info >> word;
    EXPECT_EQ(std::stoul(word, nullptr, 8) & O_NONBLOCK, 0U) << number;
  }
}

TEST_F(BlockedLogs, WhatWasDroppedIsToldWhereLinesCanBeWrittenAgain) {
  const Fifo out(path("out"));
  const Fifo err(path("err"));
  const Server server(folder_, logging_to("stdout", "stderr"), baton_binary(), {"out", "err"});
  out.fill();
  err.fill();
  EXPECT_TRUE(access_lines_are_dropped(server));
  server.signal(SIGUSR1);  // says something
  EXPECT_TRUE(wait_until([&] { return server.header().error_log.lines.load() > 0; }));
  std::string text;
  EXPECT_TRUE(wait_until([&] {
    text += err.take();
    return text.find("the access log could not be written, lines dropped: ") != std::string::npos &&
           text.find(
               "the error log could not be written, lines dropped: 1 (whoever reads it does not keep "
               "up)\n") != std::string::npos;
  })) << text;
  static_cast<void>(out.take());
  EXPECT_TRUE(ask_until(server, [&, lines = std::string()]() mutable {
    return (lines += out.take()).find("\"request\":\"GET / HTTP/1.1\"") != std::string::npos;
  })) << "it is written again";
}

// -- a disk that is full

TEST_F(BlockedLogs, LinesThatADiskHasNoRoomForAreCounted) {
  const Server server(folder_, logging_to("/dev/full", "error.log"));
  EXPECT_TRUE(access_lines_are_dropped(server));
  EXPECT_TRUE(wait_until([&] {
    return folder_.read("error.log").find("the access log could not be written, lines dropped: ") !=
           std::string::npos;
  }));
  EXPECT_THAT(folder_.read("error.log"), HasSubstr("(No space left on device)\n"));
  const auto totals = nlohmann::json::parse(server.ctl({"stats", "--json"}).out)["totals"];
  EXPECT_GT(totals["access_lines_dropped"], 0);
  EXPECT_EQ(totals["error_lines_dropped"], 0);
  EXPECT_THAT(server.ctl({"stats"}).out, HasSubstr("dropped      access log lines "));
}

TEST_F(BlockedLogs, ATornLineIsEndedBeforeTheNext) {
  const Server server(folder_, logging_to("access.log", "error.log"));
  // A disk's being full, for files of any user: a write is cut short, and the next one fails.
  // No line is shorter than a hundred bytes, and none is written before the limit holds: the first is cut.
  const auto limit = [&](rlim_t bytes) {
    std::vector<pid_t> all = server.workers();
    all.push_back(server.pid());
    const rlimit both{bytes, RLIM_INFINITY};
    for (const pid_t pid : all) EXPECT_EQ(::prlimit(pid, RLIMIT_FSIZE, &both, nullptr), 0);
  };
  limit(100);
  EXPECT_TRUE(access_lines_are_dropped(server));
  EXPECT_TRUE(wait_until([&] { return server.header().access_log.torn_fd.load() >= 0; }));
  limit(RLIM_INFINITY);
  EXPECT_EQ(server.connect().get("/after").status, 200);
  EXPECT_TRUE(wait_until([&] { return folder_.read("access.log").find("GET /after") != std::string::npos; }));
  std::istringstream text(folder_.read("access.log"));
  std::size_t torn = 0;
  bool after = false;
  for (std::string line; std::getline(text, line);) {
    const auto record = nlohmann::json::parse(line, nullptr, false);
    if (record.is_discarded()) {
      ++torn;
      EXPECT_THAT(line, Not(HasSubstr("}"))) << "joined to another";
    } else {
      after = after || record["request"] == "GET /after HTTP/1.1";
    }
  }
  EXPECT_EQ(torn, 1U) << folder_.read("access.log");
  EXPECT_TRUE(after);
}

// As a disk that was full at the end of the life before leaves it.
TEST_F(BlockedLogs, ALineTornBeforeTheStartIsEnded) {
  static_cast<void>(folder_.write("access.log", "{\"torn"));
  static_cast<void>(folder_.write("error.log", "torn"));
  const Server server(folder_, logging_to("access.log", "error.log"));
  EXPECT_TRUE(ask_until(server, [&] { return folder_.read("access.log").size() > 10; }));
  EXPECT_THAT(folder_.read("access.log"), ::testing::StartsWith("{\"torn\n{"));
  EXPECT_THAT(folder_.read("error.log"), ::testing::StartsWith("torn\n2"));
}

// -- not to be opened

TEST_F(BlockedLogs, WhatCannotBeALogStopsTheStart) {
  for (const auto& [kind, reason] : kUnfit) {
    make_unfit(kind, kind);
    for (const std::string& config : {logging_to(kind, "stderr"), logging_to("off", kind)}) {
      const Finished done = run_program({baton_binary(), "-c", folder_.write("baton.toml", config)});
      EXPECT_EQ(done.status, 1) << kind;
      EXPECT_THAT(done.err, HasSubstr(refusal(kind, reason)));
    }
  }
}

TEST_F(BlockedLogs, WhatCannotBeALogIsRefusedByTheReloadAndTheOldGoesOn) {
  const Server server(folder_, logging_to("access.log", "error.log"));
  for (const auto& [kind, reason] : kUnfit) {
    make_unfit(kind, kind);
    for (const std::string& config : {logging_to(kind, "error.log"), logging_to("access.log", kind)}) {
      const Finished done = server.reload(config);
      EXPECT_EQ(done.status, 1) << kind;
      EXPECT_THAT(done.err, HasSubstr(refusal(kind, reason)));
      EXPECT_THAT(folder_.read("error.log"),
                  AllOf(HasSubstr("reload failed, the old configuration goes on: "),
                        HasSubstr(refusal(kind, reason))));
    }
  }
  EXPECT_EQ(server.header().generation.load(), 1U);
  EXPECT_TRUE(ask_until(server, [&] { return !folder_.read("access.log").empty(); }));
}

TEST_F(BlockedLogs, WhatCannotBeALogIsNotReopenedAndTheOldFileGoesOn) {
  const Server server(folder_, logging_to("access.log", "error.log"));
  for (const std::string name : {"access.log", "error.log"}) {
    for (const auto& [kind, reason] : kUnfit) {
      std::filesystem::rename(path(name), path("moved"));
      make_unfit(kind, name);
      server.signal(SIGUSR1);
      const std::string log = name == "error.log" ? "moved" : "error.log";
      const std::string said =
          "cannot open the log " + path(name) + ": " + reason + "; going on with the old file";
      EXPECT_TRUE(wait_until([&] { return folder_.read(log).find(said) != std::string::npos; }))
          << name << kind;
      std::filesystem::remove_all(path(name));
      std::filesystem::rename(path("moved"), path(name));
    }
  }
  EXPECT_TRUE(ask_until(server, [&] { return !folder_.read("access.log").empty(); }));
}

TEST_F(BlockedLogs, OneThatCannotBeReopenedDoesNotKeepTheOtherFromIt) {
  const Server server(folder_, logging_to("access.log", "error.log"));
  std::filesystem::rename(path("error.log"), path("error.old"));
  std::filesystem::rename(path("access.log"), path("access.old"));
  std::filesystem::create_directory(path("error.log"));
  server.signal(SIGUSR1);
  EXPECT_TRUE(ask_until(server, [&] {
    return std::filesystem::exists(path("access.log")) && !folder_.read("access.log").empty();
  }));
}

TEST_F(BlockedLogs, AFifoThatIsReadIsALog) {
  const Fifo access(path("access"));
  const Server server(folder_, logging_to("access", "stderr"));
  std::string lines;
  EXPECT_TRUE(ask_until(server, [&] { return !(lines += access.take()).empty(); }));
  EXPECT_THAT(lines, HasSubstr("\"GET / HTTP/1.1\""));
}

TEST_F(BlockedLogs, DevicesThatAreHarmlessAreLogs) {
  const Server server(folder_, logging_to("/dev/null", "/dev/stderr"));
  EXPECT_EQ(server.connect().get("/").status, 200);
  EXPECT_THAT(server.log(), HasSubstr("ready: 2 workers"));
}

}  // namespace
}  // namespace baton::test
