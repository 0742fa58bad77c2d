// What the log says about a worker's death.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>

#include <cstdlib>

#include "tests/support/crash_points.h"
#include "tests/support/modules.h"
#include "tests/support/observe.h"
#include "tests/support/sanitizers.h"
#include "tests/support/server.h"
#include "tests/support/wait.h"

namespace baton::test {
namespace {

using ::testing::ContainsRegex;
using ::testing::HasSubstr;
using ::testing::Not;

const char kConfig[] =
    "[server]\nworkers = 2\n[limits]\nretries = 10\n[[site]]\n[[site.route]]\npath = \"/\"\n"
    "respond = { body = \"x\" }\n[[site.route]]\npath = \"/deep/\"\nrespond = { body = \"y\" }\n";

std::size_t count(const std::string& text, const std::string& what) {
  std::size_t found = 0;
  for (std::size_t at = text.find(what); at != std::string::npos; at = text.find(what, at + 1)) ++found;
  return found;
}

class PostMortemTest : public testing::Test {
 protected:
  PostMortemTest() {
    // A sanitizer would catch the signal and make an exit of it.
    ::setenv("ASAN_OPTIONS", (sanitizer_options_ + ":handle_segv=0").c_str(), 1);
  }
  ~PostMortemTest() override { ::setenv("ASAN_OPTIONS", sanitizer_options_.c_str(), 1); }

  std::string sanitizer_options_ = ::getenv("ASAN_OPTIONS") != nullptr ? ::getenv("ASAN_OPTIONS") : "";
  TempDir folder_;
  CrashPoints points_{folder_};
};

TEST_F(PostMortemTest, ACrashInARequestIsToldWithItsBacktrace) {
  const Server server(folder_, kConfig);
  points_.kill_at("response-composed", SIGSEGV);
  Client client = server.connect();
  EXPECT_EQ(client.get("/deep/a%20b").body, "y");
  const std::string who = "(pid " + std::to_string(points_.last_pid()) + ") ";
  ASSERT_TRUE(log_has(server, who + "killed by signal 11 (SIGSEGV)"));
  const std::string log = server.log();
  EXPECT_THAT(log, ContainsRegex("SIGSEGV\\).*; after [0-9.]+s and [0-9]+ requests; serving for [0-9.]+s, "
                                 "\"GET /deep/a%20b HTTP/1.1\", route /deep/, client 127.0.0.1:[0-9]+; "
                                 "connection [0-9]+ handed on, its request is begun again"));
  ASSERT_TRUE(log_has(server, who + "called by  #")) << server.log();
  EXPECT_THAT(server.log(), ContainsRegex("crashed at #0 "));
  EXPECT_THAT(server.log(), ContainsRegex("#[0-9]+ +baton::run_worker.*worker/worker.cpp:[0-9]+"));
  EXPECT_THAT(server.log(), Not(HasSubstr("on_fatal_signal"))) << "the handler's own frames say nothing";
}

TEST_F(PostMortemTest, OneThatWasKilledWhileItWaitedHeldNothing) {
  const Server server(folder_, kConfig);
  const pid_t victim = server.workers().front();
  ASSERT_TRUE(wait_until([&] { return entry_of(server, victim).flight.turns.load() > 0; }));
  ::kill(victim, SIGKILL);
  ASSERT_TRUE(log_has(server, "(pid " + std::to_string(victim) + ") killed by signal 9 (SIGKILL); after "));
  EXPECT_THAT(server.log(), HasSubstr("waiting for events; no connection in its hands"));
}

TEST_F(PostMortemTest, WhoSentASignalIsTold) {
  const Server server(folder_, kConfig);
  ::kill(server.workers().front(), SIGSEGV);
  EXPECT_TRUE(log_has(server, "killed by signal 11 (SIGSEGV), sent by pid " + std::to_string(::getpid())))
      << server.log();
}

// The next crash at the same place is told at once: where that is has been found out. Other crashes are told,
// however many there were of the first. When the server ends, what was only counted is said as well.
TEST_F(PostMortemTest, OfManyCrashesThatAreTheSameTheFirstAreToldAndTheOthersCounted) {
  constexpr std::uint64_t kCrashes = 40;
  constexpr std::uint64_t kTold = 10;
  Server server(folder_, kConfig);
  Client client = server.connect();
  EXPECT_EQ(client.get("/").body, "x");
  const auto crash = [&](const char* label) {
    points_.kill_at(label, SIGSEGV);
    ASSERT_EQ(client.get("/").body, "x");
  };
  for (std::uint64_t i = 0; i < kCrashes; ++i) crash("handler-begun");
  ASSERT_TRUE(wait_until([&] { return count(server.log(), "crashed at ") >= kTold; })) << server.log();
  const std::uint64_t same = count(server.log(), ") killed by signal 11 (SIGSEGV)");
  crash("response-composed");
  EXPECT_TRUE(wait_until([&] { return count(server.log(), ") killed by signal 11 (SIGSEGV)") > same; }));
  EXPECT_EQ(server.stop(), 0);
  const std::string log = server.log();
  const std::uint64_t told = count(log, ") killed by signal 11 (SIGSEGV)");
  const std::string more = "within a minute ";
  std::uint64_t counted = 0;  // on a machine so slow that a minute passes there are several such lines
  for (std::size_t at = 0; (at = log.find(more, at)) != std::string::npos; ++at)
    counted += std::stoul(log.substr(at + more.size()));
  EXPECT_GE(counted, 1U);
  EXPECT_EQ(told + counted, kCrashes + 1) << log;
  EXPECT_EQ(count(log, "crashed at "), told) << log;
}

// Each worker has loaded it at an address of its own, and the master not at all.
TEST_F(PostMortemTest, ACrashInAModuleIsToldWithItsFunctions) {
  const SanitizersLeave the_crashes_alone;
  const Server server(folder_,
                      "[server]\nworkers = 3\n[[site]]\n" + module_route("/m/", module_file("crasher")));
  Client client = server.connect();
  for (int i = 0; i < 6; ++i) EXPECT_EQ(client.get("/m/crash").status, 500);
  ASSERT_TRUE(wait_until([&] { return count(server.log(), "crasher.so: write_to at ") == 6; }))
      << server.log();
  const std::string log = server.log();
  EXPECT_THAT(log, ContainsRegex("crashed at #0  crasher.so: write_to at tests/modules/crasher.c:[0-9]+\n"));
  EXPECT_THAT(log,
              ContainsRegex("called by  #1  crasher.so: write_nowhere at tests/modules/crasher.c:[0-9]+\n"));
  EXPECT_THAT(log, ContainsRegex("called by  #2  crasher.so: crash at tests/modules/crasher.c:[0-9]+\n"));
  EXPECT_THAT(log, ContainsRegex("#[0-9]+ +baton::app::.* at worker/app/")) << "and the server's own";
}

TEST_F(PostMortemTest, NothingIsSaidOfARetirement) {
  Server server(folder_, kConfig);
  EXPECT_EQ(server.ctl({"reload"}).status, 0);
  EXPECT_EQ(server.stop(), 0);
  EXPECT_THAT(server.log(), Not(HasSubstr("exited with status")));
}

}  // namespace
}  // namespace baton::test
