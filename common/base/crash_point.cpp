#include "common/base/crash_point.h"

#ifdef BATON_CRASH_POINTS

#include <fcntl.h>
#include <linux/futex.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>

#include "common/base/unique_fd.h"

namespace baton {

namespace crash_points {

CrashControl* control = nullptr;

namespace {

pid_t master = 0;

// Takes one pass off what is armed. True: this pass must obey.
bool take_turn(std::uint32_t label) {
  std::uint64_t word = control->armed.load(std::memory_order_acquire);
  while (true) {
    Armed armed = Armed::unpack(word);
    if (armed.fires == 0 || armed.label != label) return false;
    const bool mine = armed.skip == 0;
    mine ? --armed.fires : --armed.skip;
    if (control->armed.compare_exchange_weak(word, armed.pack(), std::memory_order_acq_rel)) return mine;
  }
}

void obey() {
  // Read before the hit is announced: the test may arm the next action as soon as it has seen the hit.
  const auto action = static_cast<CrashAction>(control->action.load(std::memory_order_relaxed));
  const int signal = control->signal.load(std::memory_order_relaxed);
  control->last_pid.store(::getpid(), std::memory_order_relaxed);
  control->hits.fetch_add(1, std::memory_order_release);
  switch (action) {
    case CrashAction::kKill: ::kill(::getpid(), signal); break;
    case CrashAction::kStop: ::kill(::getpid(), SIGSTOP); break;
    case CrashAction::kHang:
      while (control->held.load(std::memory_order_acquire) != 0)
        ::syscall(SYS_futex, &control->held, FUTEX_WAIT, 1, nullptr, nullptr, 0);
      break;
  }
}

}  // namespace

// While it repairs, the master passes some of the same points. It must not die there.
void pass(std::uint32_t label) {
  if (::getpid() == master) return;
  control->passes[label].fetch_add(1, std::memory_order_relaxed);
  if (take_turn(label)) obey();
}

void set_master(pid_t pid) {
  master = pid;
}

void record(std::string_view target) {
  const std::uint64_t index = control->handled_count.fetch_add(1, std::memory_order_relaxed);
  HandledRequest& entry = control->handled[index % CrashControl::kHandled];
  entry.pid.store(::getpid(), std::memory_order_relaxed);
  entry.length =
      static_cast<std::uint16_t>(target.copy(entry.target, std::min(target.size(), sizeof entry.target)));
  entry.sequence.store(index + 1, std::memory_order_release);
}

}  // namespace crash_points

void open_crash_points() {
  const char* const path = std::getenv("BATON_CRASH_POINTS");
  if (path == nullptr) return;
  const UniqueFd file(::open(path, O_RDWR | O_CLOEXEC));
  void* const block =
      ::mmap(nullptr, sizeof(CrashControl), PROT_READ | PROT_WRITE, MAP_SHARED, file.get(), 0);
  if (block == MAP_FAILED) {
    std::perror(path);
    std::exit(1);
  }
  crash_points::set_master(::getpid());
  crash_points::control = static_cast<CrashControl*>(block);
}

}  // namespace baton

#endif
