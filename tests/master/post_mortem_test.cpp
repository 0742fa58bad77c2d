#include "master/post_mortem.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>

#include <algorithm>

#include "tests/support/captured_log.h"
#include "tests/support/temp_dir.h"
#include "tests/support/test_segment.h"

namespace baton {
namespace {

using testing::HasSubstr;
using testing::Not;

LastMoments serving() {
  LastMoments moments;
  moments.ordinal = 1;
  moments.pid = 4711;
  moments.was_ready = true;
  moments.lived_s = 125;
  moments.requests = 1234;
  moments.phase = FlightPhase::kServing;
  moments.busy_s = 1.5;
  moments.limit_ms = 30'000;
  moments.request = "GET /a\x1b[1m HTTP/1.1";
  moments.route = "/a/";
  moments.peer = "127.0.0.1:5000";
  return moments;
}

constexpr Death kCrash{Cause::kCrashed, SIGSEGV, true};

TEST(PostMortem, IsOneLineThatSaysWhoHowAndDoingWhat) {
  EXPECT_EQ(describe(serving(), kCrash, {{57, Outcome::kBegunAgain}}),
            "worker 1 (pid 4711) killed by signal 11 (SIGSEGV), core dumped; after 2m05s and 1,234 requests; "
            "serving for 1.5s, \"GET /a\\x1b[1m HTTP/1.1\", route /a/, client 127.0.0.1:5000; "
            "connection 57 handed on, its request is begun again");
}

TEST(PostMortem, SaysWhereTheFaultWas) {
  LastMoments moments = serving();
  moments.crash = {SIGSEGV, SEGV_MAPERR, 0x10, {}};
  EXPECT_THAT(describe(moments, kCrash, {}), HasSubstr("core dumped, at address 0x10 (not mapped); "));
  moments.crash = {SIGBUS, BUS_ADRERR, 0x1000, {}};
  EXPECT_THAT(describe(moments, {Cause::kCrashed, SIGBUS, false}, {}), HasSubstr(", at address 0x1000; "));
}

TEST(PostMortem, SaysWhoSentTheSignalUnlessItWasItsOwn) {
  LastMoments moments = serving();
  moments.crash = {SIGABRT, SI_USER, 99, {}};
  EXPECT_THAT(describe(moments, kCrash, {}), HasSubstr(", sent by pid 99; "));
  moments.crash.address = 4711;
  EXPECT_THAT(describe(moments, kCrash, {}), Not(HasSubstr("sent by")));
}

TEST(PostMortem, SaysHowLongTheWatchdogHasWaited) {
  LastMoments moments = serving();
  moments.crash = {SIGABRT, SI_USER, 99, {}};
  const std::string text = describe(moments, {Cause::kWatchdog, SIGABRT, false}, {});
  EXPECT_THAT(text, HasSubstr("(SIGABRT) of the watchdog, more than 30s in one request; "));
  EXPECT_THAT(text, Not(HasSubstr("sent by")));
}

TEST(PostMortem, SaysWhatBecameOfEachKind) {
  EXPECT_THAT(describe(serving(), kCrash, {}), HasSubstr("; no connection in its hands"));
  EXPECT_THAT(
      describe(serving(), kCrash, {{5, Outcome::kClosed}, {6, Outcome::kHandedOn}, {7, Outcome::kHandedOn}}),
      HasSubstr("; connections: 2 handed on; 1 closed"));
  for (const Outcome outcome :
       {Outcome::kHandedOn, Outcome::kBegunAgain, Outcome::kResumed, Outcome::kAnswered}) {
    EXPECT_THAT(describe(serving(), kCrash, {{5, outcome}}), HasSubstr("; connection 5 handed on"));
  }
  EXPECT_THAT(describe(serving(), kCrash, {{5, Outcome::kClosed}}), HasSubstr("; connection 5 closed"));
}

TEST(PostMortem, OfOneThatWaitedOrHadNotBegunIsShort) {
  LastMoments moments = serving();
  moments.phase = FlightPhase::kWaiting;
  EXPECT_THAT(describe(moments, kCrash, {}), HasSubstr("requests; waiting for events; no connection"));
  moments.was_ready = false;
  EXPECT_THAT(describe(moments, kCrash, {}), HasSubstr("requests; not ready yet; no connection"));
}

class RepeatedDeaths : public testing::Test {
 protected:
  static constexpr std::uint64_t kNow = 7'000'000'000;

  // How many were told.
  std::size_t die(int times, const LastMoments& moments, const Death& death = kCrash) {
    for (int i = 0; i < times; ++i) reports_.report(log::Level::kWarn, moments, death, {}, kNow);
    const std::string said = log_.said();
    std::size_t lines = 0;
    for (std::size_t at = 0; (at = said.find("no connection in its hands", at)) != std::string::npos; ++at)
      ++lines;
    return lines;
  }

  test::CapturedLog log_;
  PostMortem reports_;
};

TEST_F(RepeatedDeaths, AreToldTenTimesAndCountedAfterThat) {
  EXPECT_EQ(die(1'010, serving()), 10U);
  reports_.tick(kNow + Repeated::kMinuteNs - 1);
  EXPECT_EQ(log_.said(), "");
  reports_.tick(kNow + Repeated::kMinuteNs);
  EXPECT_EQ(log_.said(),
            "warning: within a minute 1,000 more died as worker 1 (pid 4711): killed by signal 11 (SIGSEGV), "
            "core dumped\n");
}

TEST_F(RepeatedDeaths, OfEachCauseRouteAndSignalAreToldByThemselves) {
  LastMoments elsewhere = serving();
  elsewhere.route = "/b/";
  EXPECT_EQ(die(20, serving()), 10U);
  EXPECT_EQ(die(20, elsewhere), 10U);
  EXPECT_EQ(die(20, serving(), {Cause::kCrashed, SIGABRT, true}), 10U);
  EXPECT_EQ(die(20, serving(), {Cause::kKilled, SIGKILL, false}), 10U);
  reports_.finish();
  const std::string said = log_.said();
  EXPECT_EQ(std::count(said.begin(), said.end(), '\n'), 4);
}

TEST_F(RepeatedDeaths, OfMoreKindsThanAreToldApart) {
  LastMoments moments = serving();
  std::size_t told = 0;
  for (int i = 0; i < 200; ++i) {
    moments.route = "/" + std::to_string(i);
    told += die(1, moments);
  }
  EXPECT_EQ(told, Repeated::kKinds + Repeated::kTold);
  reports_.finish();
  EXPECT_THAT(log_.said(),
              HasSubstr("within a minute 126 more workers died, each in a way that is not told apart"));
}

class LastMomentsTest : public testing::Test {
 protected:
  static constexpr Holder kDead = 1;
  [[nodiscard]] LastMoments look() const {
    WorkerProcess worker;
    worker.ordinal = 3;
    worker.index = kDead;
    worker.pid = 4711;
    return last_moments(segment_, worker, router_, 10'000'000'000);
  }

  test::TempDir folder_;
  Config config_ = *load_config(folder_.write("baton.toml",
                                              "[[listen]]\naddress = \"127.0.0.1:0\"\n[[site]]\n"
                                              "[[site.route]]\npath = \"/\"\nrespond = { body = \"x\" }\n"
                                              "[[site.route]]\npath = \"/deep/\"\nstatus = true\n"))
                        .config;
  serve::Router router_{config_};
  test::SegmentName name_;
  Segment segment_ = Segment::create(name_.text(), test::kSmall);
  WorkerEntry& entry_ = segment_.scoreboard()[kDead];
};

TEST_F(LastMomentsTest, AreWhatTheScoreboardSays) {
  entry_.state = WorkerState::kReady;
  entry_.pid = 4711;
  entry_.ordinal = 3;
  entry_.started_ns = 4'000'000'000;
  entry_.counters.requests = 17;
  entry_.flight.phase = FlightPhase::kServing;
  entry_.flight.since_ns = 9'500'000'000;
  entry_.flight.limit_ms = 250;
  entry_.flight.route = 1;
  entry_.flight.connection = 9;
  entry_.flight.set_request("GET /deep/ HTTP/1.1");
  segment_.connections().open(9, kDead);
  segment_.connections().notes(9).peer = Peer();
  const LastMoments moments = look();
  EXPECT_EQ(name_of(moments), "worker 3 (pid 4711)");
  EXPECT_TRUE(moments.was_ready);
  EXPECT_DOUBLE_EQ(moments.lived_s, 6);
  EXPECT_DOUBLE_EQ(moments.busy_s, 0.5);
  EXPECT_EQ(moments.requests, 17U);
  EXPECT_EQ(moments.limit_ms, 250U);
  EXPECT_EQ(moments.route, "/deep/");
  EXPECT_EQ(moments.request, "GET /deep/ HTTP/1.1");
  EXPECT_FALSE(moments.peer.empty());
  EXPECT_TRUE(moments.crash.frames.empty());
}

// The record keeps what was there for the request before.
TEST_F(LastMomentsTest, TheRequestBeforeIsNotTheOneInHand) {
  entry_.state = WorkerState::kReady;
  entry_.flight.set_request("GET /old HTTP/1.1");
  entry_.flight.route = 1;
  entry_.flight.connection = 9;
  entry_.flight.phase = FlightPhase::kReading;
  const LastMoments moments = look();
  EXPECT_EQ(moments.request, "");
  EXPECT_EQ(moments.route, "");
  EXPECT_EQ(moments.peer, "") << "a connection that it does not hold is another's";
}

// A wild write in the worker may have been anywhere.
TEST_F(LastMomentsTest, NonsenseInTheRecordIsNotBelieved) {
  entry_.flight.phase = FlightPhase::kServing;
  entry_.flight.request_length = 1'000'000;
  entry_.flight.route = 77;
  entry_.flight.connection = 1'000'000;
  entry_.flight.since_ns = 99'000'000'000'000;
  entry_.crash.frame_count = 1'000'000;
  const LastMoments moments = look();
  EXPECT_EQ(moments.request.size(), FlightRecord::kRequestLineBytes);
  EXPECT_EQ(moments.route, "");
  EXPECT_EQ(moments.peer, "");
  EXPECT_EQ(moments.busy_s, 0);
  EXPECT_EQ(moments.crash.frames.size(), CrashRecord::kMaxFrames);
}

}  // namespace
}  // namespace baton
