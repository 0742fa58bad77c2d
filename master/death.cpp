#include "master/death.h"

#include <algorithm>
#include <cstring>
#include <iterator>

#include "worker/process/crash_handler.h"
#include "worker/worker.h"

namespace baton {

namespace {

Cause cause_of_signal(int signal, const DeathContext& context) {
  const bool by_watchdog = context.watchdog_fired && (signal == SIGABRT || signal == SIGKILL);
  if (by_watchdog) return Cause::kWatchdog;
  if (std::ranges::find(kFatalSignals, signal) != std::end(kFatalSignals)) return Cause::kCrashed;
  const bool no_memory = signal == SIGKILL && context.oom_kill_seen && !context.asked_for;
  return no_memory ? Cause::kOutOfMemory : Cause::kKilled;
}

}  // namespace

Death classify_death(const siginfo_t& info, const DeathContext& context) {
  if (info.si_code != CLD_EXITED) {
    return {cause_of_signal(info.si_status, context), info.si_status, info.si_code == CLD_DUMPED};
  }
  // If a handler calls exit(3), that is no retirement, whatever the status is.
  if (info.si_status == WorkerExit::kRetired && !context.serving)
    return {Cause::kRetired, info.si_status, false};
  return {Cause::kExited, info.si_status, false};
}

std::string to_string(const Death& death) {
  const bool exited = death.cause == Cause::kRetired || death.cause == Cause::kExited;
  if (exited) return "exited with status " + std::to_string(death.number);
  const char* name = ::sigabbrev_np(death.number);
  std::string text = "killed by signal " + std::to_string(death.number);
  if (name != nullptr) text += std::string(" (SIG") + name + ")";
  if (death.cause == Cause::kWatchdog) text += " of the watchdog";
  if (death.cause == Cause::kOutOfMemory) text += ", probably by the kernel, out of memory";
  return text + (death.core_dumped ? ", core dumped" : "");
}

}  // namespace baton
