#include "worker/process/start.h"

#include <sys/prctl.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "common/base/crash_point.h"
#include "common/base/futex.h"
#include "common/base/log.h"
#include "common/base/oom_score.h"
#include "common/base/privileges.h"
#include "common/shared/descriptor_motion.h"
#include "common/shared/descriptor_room.h"
#include "worker/process/exit.h"
#include "worker/process/signals.h"

namespace baton {

namespace {

pid_t master_of(const WorkerContext& context) {
  return context.segment.header().master_pid.load(std::memory_order_relaxed);
}

// Has the kernel send SIGTERM when the master dies. False: the master died before prctl(2), so the parent is
// another process.
bool follow_master(pid_t master) {
  ::prctl(PR_SET_PDEATHSIG, SIGTERM);
  return ::getppid() == master;
}

}  // namespace

sigset_t begin_process(const WorkerContext& context, const std::string& name) {
  set_log_identity(name);
  ::prctl(PR_SET_NAME, ("baton: " + name).c_str());
  const sigset_t while_waiting = take_signals();
  DescriptorMotion::report_to(context.flight(), context.segment.header());
  DescriptorRoom::take_from(context.segment, context.index);
  crash_point("worker-start");
  if (!follow_master(master_of(context))) ::_exit(WorkerExit::kRetired);
  go_before_master();
  if (!drop_capabilities()) {
    log::error("cannot give up the master's capabilities: {}", std::strerror(errno));
    ::_exit(WorkerExit::kCannotStart);
  }
  return while_waiting;
}

void tell_master(const WorkerContext& context) {
  const std::uint64_t one = 1;
  [[maybe_unused]] const ssize_t ignored = ::write(context.ready_fd, &one, sizeof one);
}

bool await_switch(const WorkerContext& context) {
  // The counter is odd since this process was cloned: from here on no file of its start is in motion.
  context.flight().files_in_motion.fetch_add(1, std::memory_order_release);
  context.entry().state.store(WorkerState::kReady, std::memory_order_release);
  crash_point("worker-ready");
  tell_master(context);
  const SegmentHeader& header = context.segment.header();
  std::atomic<std::uint32_t>& generation = context.segment.header().generation;
  for (std::uint32_t seen = 0; (seen = generation.load(std::memory_order_acquire)) < context.generation;) {
    // Signals are blocked here, so the master's SIGTERM would not be seen.
    const bool stopping = header.state.load(std::memory_order_relaxed) >= MasterState::kStopping;
    if (stopping || ::getppid() != master_of(context)) return false;
    futex_wait(generation, seen, kBackstopMs);
  }
  return true;
}

void await_thaw(const WorkerContext& context) {
  context.flight().phase.store(FlightPhase::kWaiting, std::memory_order_relaxed);
  futex_wait(context.segment.header().frozen, 1, kBackstopMs);
}

bool is_retiring(const WorkerContext& context) {
  if (retire_asked()) return true;
  if (context.entry().retire.load(std::memory_order_relaxed) != 0) return true;
  const SegmentHeader& header = context.segment.header();
  // A ready event wins over a pending signal, so a busy worker would not see the signal for a long time.
  if (header.state.load(std::memory_order_relaxed) == MasterState::kEnding) return true;
  return header.generation.load(std::memory_order_acquire) > context.generation;
}

void end_process(const WorkerContext& context) {
  if (::getppid() != master_of(context)) end_without_master(WorkerExit::kRetired);
  ::_exit(WorkerExit::kRetired);
}

}  // namespace baton
