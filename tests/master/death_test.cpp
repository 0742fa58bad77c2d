#include "master/death.h"

#include <gtest/gtest.h>

#include "worker/worker.h"

namespace baton {
namespace {

siginfo_t exited(int status) {
  siginfo_t info{};
  info.si_code = CLD_EXITED;
  info.si_status = status;
  return info;
}

siginfo_t killed(int signal, bool core = false) {
  siginfo_t info{};
  info.si_code = core ? CLD_DUMPED : CLD_KILLED;
  info.si_status = signal;
  return info;
}

TEST(Death, AnExitIsARetirementOrWhatItsStatusSays) {
  EXPECT_EQ(classify_death(exited(WorkerExit::kRetired), {}).cause, Cause::kRetired);
  const Death death = classify_death(exited(WorkerExit::kCannotStart), {});
  EXPECT_EQ(death.cause, Cause::kExited);
  EXPECT_EQ(to_string(death), "exited with status 78");
}

TEST(Death, FatalSignalsAreCrashes) {
  for (const int signal : {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT, SIGSYS, SIGTRAP}) {
    EXPECT_EQ(classify_death(killed(signal), {}).cause, Cause::kCrashed);
  }
  EXPECT_EQ(to_string(classify_death(killed(SIGSEGV, true), {})),
            "killed by signal 11 (SIGSEGV), core dumped");
}

TEST(Death, OtherSignalsComeFromOutside) {
  for (const int signal : {SIGKILL, SIGUSR1, SIGPIPE, SIGXCPU}) {
    EXPECT_EQ(classify_death(killed(signal), {}).cause, Cause::kKilled);
  }
  EXPECT_EQ(to_string(classify_death(killed(SIGKILL), {})), "killed by signal 9 (SIGKILL)");
  EXPECT_EQ(to_string(classify_death(killed(SIGRTMIN + 3), {})),
            "killed by signal " + std::to_string(SIGRTMIN + 3));
}

TEST(Death, TheWatchdogsSignalsAreItsOwn) {
  DeathContext context;
  context.watchdog_fired = true;
  context.oom_kill_seen = true;
  EXPECT_EQ(classify_death(killed(SIGABRT), context).cause, Cause::kWatchdog);
  EXPECT_EQ(classify_death(killed(SIGKILL), context).cause, Cause::kWatchdog);
  EXPECT_EQ(to_string(classify_death(killed(SIGKILL), context)),
            "killed by signal 9 (SIGKILL) of the watchdog");
  EXPECT_EQ(classify_death(killed(SIGSEGV), context).cause, Cause::kCrashed) << "it came first";
  EXPECT_EQ(classify_death(exited(WorkerExit::kRetired), context).cause, Cause::kRetired)
      << "it had finished what it had in hand";
}

TEST(Death, SigkillWhileTheKernelKillsForMemoryIsProbablyThat) {
  DeathContext context;
  context.oom_kill_seen = true;
  const Death death = classify_death(killed(SIGKILL), context);
  EXPECT_EQ(death.cause, Cause::kOutOfMemory);
  EXPECT_EQ(to_string(death), "killed by signal 9 (SIGKILL), probably by the kernel, out of memory");
  EXPECT_EQ(classify_death(killed(SIGTERM), context).cause, Cause::kKilled);
  context.asked_for = true;
  EXPECT_EQ(classify_death(killed(SIGKILL), context).cause, Cause::kKilled);
}

}  // namespace
}  // namespace baton
