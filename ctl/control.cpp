#include "ctl/control.h"

#include <fmt/format.h>
#include <poll.h>
#include <signal.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <optional>

#include "common/base/unique_fd.h"
#include "common/stats/stats.h"

extern "C" {  // glibc 2.36 leaves this out of the header
#include <sys/pidfd.h>
}

namespace baton::ctl {

namespace {

using Clock = std::chrono::steady_clock;
using std::chrono::milliseconds;

constexpr milliseconds kReportPoll{20};

// The master's process, held by a pidfd: unlike a pid, it cannot come to mean another process.
class Master {
 public:
  explicit Master(const Segment& segment)
      : pid_(segment.header().master_pid.load(std::memory_order_acquire)) {
    if (pid_ > 0) process_ = UniqueFd(::pidfd_open(pid_, 0));
    // This check comes after opening: if the pid is the master's now, so is the pidfd.
    if (!master_alive(segment.header()) || !segment.master_proven()) process_.reset();
    // Other processes may write to the segment at any time.
    if (segment.header().master_pid.load(std::memory_order_acquire) != pid_) process_.reset();
  }

  [[nodiscard]] pid_t pid() const { return pid_; }

  // Returns nothing if the signal was sent, else why not.
  [[nodiscard]] std::optional<Outcome> send(int signal) const {
    if (process_ && ::pidfd_send_signal(process_.get(), signal, nullptr, 0) == 0) return std::nullopt;
    if (!process_ || errno == ESRCH) return Outcome{false, "the server is not running any more"};
    if (errno == EPERM) {
      return Outcome{false, fmt::format("no permission to signal the server (pid {}): it runs as another "
                                        "user; repeat this as that user or as root",
                                        pid_)};
    }
    return Outcome{false, fmt::format("cannot signal the server (pid {}): {}", pid_, std::strerror(errno))};
  }

  // Waits until the process ends or `deadline` has come. Returns whether it has ended.
  [[nodiscard]] bool ends_by(Clock::time_point deadline) const {
    for (;;) {
      const auto left = std::chrono::ceil<milliseconds>(deadline - Clock::now());
      pollfd waiting{process_.get(), POLLIN, 0};
      const int ready = ::poll(&waiting, 1, static_cast<int>(std::max<milliseconds::rep>(left.count(), 0)));
      if (ready == 1) return true;
      if (ready == 0) return false;
    }
  }

 private:
  pid_t pid_;
  UniqueFd process_;
};

// Whether `now` is the number of a report that a signal sent at `sequence` leads to: the first whole report
// after it. If `sequence` is odd, a report was being written then; it is of an earlier command.
bool is_newer(std::uint32_t now, std::uint32_t sequence) {
  const std::uint32_t last = sequence + sequence % 2;
  return now % 2 == 0 && static_cast<std::int32_t>(now - last) > 0;
}

// Says how the server ended, by the exit status that its master has left; empty if it was killed.
std::string_view manner(int exit_status) {
  switch (exit_status) {
    case -1: return ", but did not end by itself; see its error log";
    case 0: return "; every request in hand was finished";
    case 124: return "; shutdown_timeout has cut off what was left, see its error log";
    default: return exit_status > 128 ? "; it was stopped at once" : "; see its error log";
  }
}

// Sends `signal` and waits for the outcome. `noun` and `doing` name the command in messages.
Outcome command(const Segment& segment, int signal, const CommandReport& report, const char* noun,
                const char* doing, milliseconds patience) {
  const Master master(segment);
  const std::uint32_t before = report.sequence.load(std::memory_order_acquire);
  if (auto failure = master.send(signal)) return *failure;
  const auto deadline = Clock::now() + patience;
  while (!is_newer(report.sequence.load(std::memory_order_acquire), before)) {
    if (Clock::now() >= deadline) {
      return {false, fmt::format("the server (pid {}) has reported no outcome within {} s; see its error log",
                                 master.pid(), patience.count() / 1000)};
    }
    if (master.ends_by(std::min(deadline, Clock::now() + kReportPoll))) {
      return {false, fmt::format("the server ended during the {}; see its error log", noun)};
    }
  }
  const auto outcome = read_report(report);
  if (!outcome)
    return {false, fmt::format("the server is {} again; look at 'batonctl stats' for the outcome", doing)};
  return {outcome->ok, outcome->message};
}

}  // namespace

Outcome reload(const Segment& segment, milliseconds patience) {
  return command(segment, SIGHUP, segment.header().reload, "reload", "reloading", patience);
}

Outcome upgrade(const Segment& segment, milliseconds patience) {
  return command(segment, SIGUSR2, segment.header().upgrade, "upgrade", "upgrading", patience);
}

Outcome stop(const Segment& segment, Stop how, milliseconds patience) {
  const Master master(segment);
  const auto begun = Clock::now();
  if (auto failure = master.send(how == Stop::kFast ? SIGINT : SIGTERM)) return *failure;
  if (master.ends_by(begun + patience)) {
    const std::chrono::duration<double> taken = Clock::now() - begun;
    return {true, fmt::format("the server (pid {}) has stopped after {:.1f} s{}", master.pid(), taken.count(),
                              manner(segment.header().exit_status.load(std::memory_order_acquire)))};
  }
  return {false, fmt::format("the server (pid {}) is still finishing requests after {} s; {}", master.pid(),
                             patience.count() / 1000,
                             how == Stop::kFast ? "see its error log"
                                                : "wait for it, or use 'batonctl stop --fast'")};
}

Outcome reopen(const Segment& segment) {
  const Master master(segment);
  if (auto failure = master.send(SIGUSR1)) return *failure;
  return {true, fmt::format("the server (pid {}) was told to open its logs again", master.pid())};
}

}  // namespace baton::ctl
