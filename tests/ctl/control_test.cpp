#include "ctl/control.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <cstring>
#include <functional>
#include <string>

#include "tests/support/test_segment.h"
#include "tests/support/wait.h"

namespace baton::ctl {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using testing::HasSubstr;

constexpr int kSignals[] = {SIGHUP, SIGTERM, SIGINT, SIGUSR1, SIGUSR2};

// A process in the master's place. It blocks its signals before it begins, so none can come too early.
class ControlTest : public testing::Test {
 protected:
  // `answer` is run in the child for each signal; it ends when that returns false.
  void start_master(const std::function<bool(int signal)>& answer) {
    sigset_t signals;
    sigset_t old;
    sigemptyset(&signals);
    for (const int signal : kSignals) sigaddset(&signals, signal);
    sigprocmask(SIG_BLOCK, &signals, &old);
    pid_ = ::fork();
    if (pid_ == 0) {
      segment_.become_master();
      for (int signal = 0; sigwait(&signals, &signal) == 0 && answer(signal);) continue;
      ::_exit(0);
    }
    sigprocmask(SIG_SETMASK, &old, nullptr);
    ASSERT_GT(pid_, 0);
    ASSERT_TRUE(test::wait_until([this] { return segment_.header().master_pid == pid_; }));
  }
  void TearDown() override {
    if (pid_ > 0) {
      ::kill(pid_, SIGKILL);
      ::waitpid(pid_, nullptr, 0);
    }
  }
  void write_report(bool ok, const char* message) { write_report(segment_.header().reload, ok, message); }
  static void write_report(CommandReport& report, bool ok, const char* message) {
    report.sequence += 1;
    report.ok = ok ? 1 : 0;
    std::strcpy(report.message, message);
    report.sequence += 1;
  }

  test::SegmentName name_;
  Segment segment_ = Segment::create(name_.text(), test::kSmall);
  pid_t pid_ = -1;
};

TEST_F(ControlTest, ReloadPassesOnTheOutcomeOfItsOwnReload) {
  write_report(false, "an earlier one");
  start_master([this](int signal) {
    write_report(signal == SIGHUP, "generation 2 is serving");
    return true;
  });
  const Outcome outcome = reload(segment_, seconds(30));
  EXPECT_TRUE(outcome.ok);
  EXPECT_EQ(outcome.message, "generation 2 is serving");
}

TEST_F(ControlTest, ReloadFailsWithTheServersMessage) {
  start_master([this](int) {
    write_report(false, "baton.toml:3:1: unknown key");
    return true;
  });
  const Outcome outcome = reload(segment_, seconds(30));
  EXPECT_FALSE(outcome.ok);
  EXPECT_EQ(outcome.message, "baton.toml:3:1: unknown key");
}

TEST_F(ControlTest, ReloadDoesNotTakeAReportBegunBeforeItForItsOwn) {
  segment_.header().reload.sequence = 5;
  start_master([this](int) {
    CommandReport& report = segment_.header().reload;
    std::strcpy(report.message, "the earlier one");
    report.sequence = 6;
    write_report(true, "ours");
    return true;
  });
  EXPECT_EQ(reload(segment_, seconds(30)).message, "ours");
}

TEST_F(ControlTest, ReloadNoticesTheMastersDeath) {
  start_master([](int) { return false; });
  const Outcome outcome = reload(segment_, seconds(30));
  EXPECT_FALSE(outcome.ok);
  EXPECT_THAT(outcome.message, HasSubstr("ended during the reload"));
}

TEST_F(ControlTest, ReloadGivesUpOnAMasterThatDoesNotAnswer) {
  start_master([](int) { return true; });
  const Outcome outcome = reload(segment_, milliseconds(60));
  EXPECT_FALSE(outcome.ok);
  EXPECT_THAT(outcome.message, HasSubstr("no outcome"));
}

TEST_F(ControlTest, UpgradeWaitsForTheReportOfTheUpgrade) {
  start_master([this](int signal) {
    write_report(true, "a reload");
    write_report(segment_.header().upgrade, signal == SIGUSR2, "upgraded");
    return true;
  });
  const Outcome outcome = upgrade(segment_, seconds(30));
  EXPECT_TRUE(outcome.ok);
  EXPECT_EQ(outcome.message, "upgraded");
}

TEST_F(ControlTest, UpgradeNoticesTheMastersDeath) {
  start_master([](int) { return false; });
  const Outcome outcome = upgrade(segment_, seconds(30));
  EXPECT_FALSE(outcome.ok);
  EXPECT_THAT(outcome.message, HasSubstr("ended during the upgrade"));
}

TEST_F(ControlTest, StopSendsTermAndFastStopInt) {
  start_master([](int signal) { return signal != SIGTERM; });
  EXPECT_TRUE(stop(segment_, Stop::kGraceful, seconds(30)).ok);
  ::waitpid(pid_, nullptr, 0);
  start_master([](int signal) { return signal != SIGINT; });
  EXPECT_TRUE(stop(segment_, Stop::kFast, seconds(30)).ok);
}

TEST_F(ControlTest, StopTellsHowItEnded) {
  const auto told = [this](int exit_status) {
    start_master([this, exit_status](int) {
      segment_.header().exit_status = exit_status;
      return false;
    });
    const Outcome outcome = stop(segment_, Stop::kGraceful, seconds(30));
    ::waitpid(pid_, nullptr, 0);
    EXPECT_TRUE(outcome.ok);
    return outcome.message;
  };
  EXPECT_THAT(told(0), HasSubstr("every request in hand was finished"));
  EXPECT_THAT(told(124), HasSubstr("shutdown_timeout has cut off what was left"));
  EXPECT_THAT(told(130), HasSubstr("stopped at once"));
  EXPECT_THAT(told(-1), HasSubstr("did not end by itself"));
}

TEST_F(ControlTest, StopSaysWhenTheServerGoesOn) {
  start_master([](int) { return true; });
  const Outcome outcome = stop(segment_, Stop::kGraceful, milliseconds(20));
  EXPECT_FALSE(outcome.ok);
  EXPECT_THAT(outcome.message, HasSubstr("stop --fast"));
}

TEST_F(ControlTest, ReopenSendsUsr1) {
  start_master([](int signal) { return signal != SIGUSR1; });
  EXPECT_TRUE(reopen(segment_).ok);
  siginfo_t info{};
  ASSERT_EQ(::waitid(P_PID, static_cast<id_t>(pid_), &info, WEXITED | WNOWAIT), 0);
  EXPECT_EQ(info.si_code, CLD_EXITED);
}

TEST_F(ControlTest, NothingIsSentToAProcessThatHasTheMastersOldPid) {
  start_master([](int) { return false; });
  segment_.header().master_start += 1;
  EXPECT_THAT(reopen(segment_).message, HasSubstr("not running"));
  EXPECT_FALSE(stop(segment_, Stop::kFast, seconds(30)).ok);
  EXPECT_FALSE(reload(segment_, seconds(30)).ok);
  EXPECT_EQ(::waitpid(pid_, nullptr, WNOHANG), 0) << "it must go on living";
}

// Whoever may write there may name anybody.
TEST_F(ControlTest, NothingIsSentToAProcessThatIsNotTheMaster) {
  const pid_t other = ::fork();
  ASSERT_GE(other, 0);
  if (other == 0) {
    ::pause();
    ::_exit(0);
  }
  segment_.header().master_pid = other;
  segment_.header().master_start = process_start(other);
  EXPECT_FALSE(segment_.master_proven());
  EXPECT_FALSE(reopen(segment_).ok);
  EXPECT_FALSE(stop(segment_, Stop::kFast, seconds(30)).ok);
  EXPECT_FALSE(reload(segment_, seconds(30)).ok);
  EXPECT_EQ(::waitpid(other, nullptr, WNOHANG), 0) << "it must go on living";
  ::kill(other, SIGKILL);
  ::waitpid(other, nullptr, 0);
}

TEST_F(ControlTest, NothingIsSentWhereNoMasterWasEverNamed) {
  segment_.header().master_pid = 0;
  EXPECT_FALSE(reopen(segment_).ok);
}

}  // namespace
}  // namespace baton::ctl
