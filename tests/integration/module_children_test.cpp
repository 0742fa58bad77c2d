// What a handler prints and starts: what is kept when its worker goes, and what ends with it.
#include <gmock/gmock.h>
#include <signal.h>

#include <thread>

#include "tests/integration/shared_server.h"
#include "tests/support/modules.h"
#include "tests/support/observe.h"
#include "tests/support/wait.h"

namespace baton::test {

namespace {

using ::testing::HasSubstr;

// Signals 32 and 33 belong to the C library. Its posix_spawn() has a child ignore both, and children inherit
// that.
constexpr std::uint64_t kSignalsOfTheLibrary = 0b11ULL << 31;

// The mask of ignored signals in the text of /proc/PID/status: bit n - 1 for signal n.
std::uint64_t ignored(const std::string& status) {
  const std::string name = "SigIgn:\t";
  const std::size_t at = status.find(name);
  return at == std::string::npos ? ~0ULL : std::stoull(status.substr(at + name.size()), nullptr, 16);
}

class ModuleChildren : public ::testing::Test {
 protected:
  [[nodiscard]] static std::string config(const std::string& settings = "", const std::string& options = "") {
    return "[server]\nworkers = 2\n" + settings + "\n[[site]]\n" +
           module_route("/", module_file("children"), options);
  }
  [[nodiscard]] Response get(const std::string& target) const { return server_->connect().get(target); }
  void serve(const std::string& settings = "", const std::string& options = "") {
    server_ = std::make_unique<Server>(folder_, config(settings, options));
  }
  // The number that a handler has said; the process runs.
  [[nodiscard]] pid_t started(const std::string& target) const {
    const pid_t child = std::stoi(get(target).body);
    EXPECT_FALSE(gone(child));
    return child;
  }
  [[nodiscard]] static bool ends(pid_t child) {
    return wait_until([child] { return gone(child); });
  }

  TempDir folder_;
  std::unique_ptr<Server> server_;
};

TEST_F(ModuleChildren, WhatIsPrintedIsKeptWhenAWorkerGoes) {
  serve();
  const auto expect_kept = [&](const std::string& what) {
    EXPECT_TRUE(wait_until([&] {
      return folder_.read("stdout.txt").find(what) != std::string::npos &&
             folder_.read("own").find(what) != std::string::npos;
    })) << what;
  };
  EXPECT_EQ(get("/print/reloaded").status, 200);
  EXPECT_EQ(server_->ctl({"reload"}).status, 0);
  expect_kept("reloaded");
  EXPECT_EQ(get("/print/told-to-go").status, 200);
  for (const pid_t worker : server_->workers()) ::kill(worker, SIGTERM);
  expect_kept("told-to-go");
  EXPECT_EQ(get("/print/stopped").status, 200);
  EXPECT_EQ(server_->stop(), 0);
  expect_kept("stopped");
}

TEST_F(ModuleChildren, LinesAreWrittenAtOnce) {
  serve();
  EXPECT_EQ(get("/print-line/here").status, 200);
  EXPECT_THAT(folder_.read("stdout.txt"), HasSubstr("here\n"));
}

TEST_F(ModuleChildren, AStreamThatIsLockedKeepsNoWorker) {
  serve("[timeouts]\nhandler = \"1s\"");
  const std::vector<pid_t> before = server_->workers();
  EXPECT_EQ(get("/hold").status, 200);
  EXPECT_EQ(server_->ctl({"reload"}).status, 0);
  EXPECT_TRUE(wait_until([&] { return gone(before); })) << server_->log();
}

TEST_F(ModuleChildren, BeginWithTheUsualSignals) {
  serve();
  for (const char* way : {"system", "popen", "spawn", "fork", "thread"}) {
    const std::string said = get(std::string("/signals/") + way).body;
    EXPECT_THAT(said, HasSubstr("SigBlk:\t0000000000000000")) << way;
    EXPECT_EQ(ignored(said) & ~kSignalsOfTheLibrary, 0U) << way << ": " << said;
  }
  EXPECT_EQ(get("/forked").body, std::to_string(SIGTERM));
}

TEST_F(ModuleChildren, EndWithTheirWorker) {
  serve();
  const pid_t reloaded = started("/leave");
  EXPECT_EQ(server_->ctl({"reload"}).status, 0);
  EXPECT_TRUE(ends(reloaded));
  const pid_t killed = started("/leave");
  for (const pid_t worker : server_->workers()) ::kill(worker, SIGKILL);
  EXPECT_TRUE(ends(killed));
  EXPECT_TRUE(wait_until([&] { return server_->workers().size() == 2; }));
  const pid_t upgraded = started("/leave");
  EXPECT_EQ(server_->ctl({"upgrade"}).status, 0) << server_->log();
  EXPECT_TRUE(ends(upgraded));
  const pid_t stopped = started("/leave");
  EXPECT_EQ(server_->stop(), 0);
  EXPECT_TRUE(ends(stopped));
}

TEST_F(ModuleChildren, EndWithAHandlerThatTakesTooLong) {
  serve("", "timeout = \"500ms\"");
  EXPECT_EQ(get("/hang").status, 504);
  const std::string child = folder_.read("child");
  ASSERT_NE(child, "");
  EXPECT_TRUE(ends(std::stoi(child)));
}

TEST_F(ModuleChildren, EndWhenTheMasterHasDied) {
  serve();
  const pid_t left = started("/leave");
  server_->signal(SIGKILL);
  EXPECT_TRUE(ends(left));
}

TEST_F(ModuleChildren, InASessionOfTheirOwnGoOn) {
  serve();
  const pid_t apart = started("/leave-apart");
  const std::vector<pid_t> before = server_->workers();
  EXPECT_EQ(server_->ctl({"reload"}).status, 0);
  EXPECT_TRUE(wait_until([&] { return gone(before); }));
  EXPECT_FALSE(gone(apart));
  ::kill(apart, SIGKILL);
}

TEST_F(ModuleChildren, NoHandlerIsInterruptedByAReload) {
  serve();
  Client client = server_->connect();
  client.send("GET /sleep HTTP/1.1\r\nHost: x\r\n\r\n");
  ASSERT_TRUE(wait_until([&] { return counted(folder_, "entered") == 1; }));
  EXPECT_EQ(server_->ctl({"reload"}).status, 0);
  EXPECT_EQ(client.receive().body, "slept");
}

// As a terminal, or an operator who means the master, may send them to all.
TEST_F(ModuleChildren, SignalsForTheMasterEndNoWorker) {
  serve();
  const std::vector<pid_t> before = server_->workers();
  for (const int signal : {SIGHUP, SIGINT, SIGQUIT, SIGUSR1, SIGUSR2, SIGPIPE, SIGALRM, SIGTSTP, SIGRTMIN}) {
    Client client = server_->connect();
    client.send("GET /signals/system HTTP/1.1\r\nHost: x\r\n\r\n");
    for (const pid_t worker : before) ::kill(worker, signal);
    EXPECT_EQ(client.receive().status, 200) << signal;
  }
  EXPECT_EQ(get("/forked").status, 200);
  EXPECT_EQ(server_->workers(), before);
  expect_no_worker_died(*server_);
}

}  // namespace

}  // namespace baton::test
