#include "tests/campaign/recovery_watch.h"

#include <poll.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "common/base/unique_fd.h"

namespace baton::survive {

namespace {

constexpr std::uint64_t kGivenUpNs = 2'000'000'000;

}  // namespace

// Read without a claim, so only ever compared: any change says that somebody has served it.
std::uint64_t RecoveryWatch::progress_of(const Slot& slot) {
  std::uint64_t sum = slot.requests;
  for (const std::uint64_t word :
       {slot.bytes_in, slot.bytes_out, static_cast<std::uint64_t>(slot.parked.offset)})
    sum = sum * 0x100000001b3U + word;
  return sum;
}

void RecoveryWatch::killed(std::uint64_t now) {
  for (Watched& watched : watched_) {
    if (watched.killed_ns == 0) watched.killed_ns = now;
  }
}

bool RecoveryWatch::will_be_killed(Holder holder) {
  const std::size_t before = watched_.size();
  const ConnectionTable table = segment_.connections();
  const std::uint64_t started = segment_.scoreboard()[holder].started_ns.load();
  const int highest = segment_.header().highest_fd.load(std::memory_order_relaxed);
  for (int fd = 0; fd <= highest; ++fd) {
    const Claim claim = table.claim(fd);
    if (claim.state == SlotState::kHeld && claim.holder == holder)
      watched_.push_back({fd, holder, started, 0, claim.generation, progress_of(table.at(fd))});
  }
  return watched_.size() > before;
}

// Whether the connection has something for a worker: asked of the socket itself, which is borrowed from the
// master for a moment. One that waits for its client's next request, or for the client to read, has not.
bool RecoveryWatch::due(int fd, SlotState armed) const {
  const pid_t pid = segment_.header().master_pid.load();
  const UniqueFd master(static_cast<int>(::syscall(SYS_pidfd_open, pid, 0)));
  const UniqueFd socket(static_cast<int>(::syscall(SYS_pidfd_getfd, master.get(), fd, 0)));
  if (!socket) return true;
  pollfd poll{socket.get(), static_cast<short>(armed == SlotState::kArmedWrite ? POLLOUT : POLLIN), 0};
  return ::poll(&poll, 1, 0) == 1;
}

RecoveryWatch::Verdict RecoveryWatch::judge(const Watched& watched) const {
  const ConnectionTable table = segment_.connections();
  const Claim claim = table.claim(watched.fd);
  if (claim.generation != watched.generation || claim.state == SlotState::kFree) return Verdict::kServed;
  if (claim.state == SlotState::kHeld) {
    if (claim.holder == kMasterHolder) return Verdict::kUnserved;
    const bool dead = claim.holder == watched.holder &&
                      segment_.scoreboard()[watched.holder].started_ns.load() == watched.worker_started_ns;
    return dead ? Verdict::kUnserved : Verdict::kServed;
  }
  if (progress_of(table.at(watched.fd)) != watched.progress) return Verdict::kServed;
  if (due(watched.fd, claim.state)) return Verdict::kUnserved;
  // Looked at again: it may have been served between the two looks.
  return table.claim(watched.fd).pack() == claim.pack() ? Verdict::kNothingDue : Verdict::kServed;
}

void RecoveryWatch::look(std::uint64_t now) {
  std::erase_if(watched_, [&](const Watched& watched) {
    if (watched.killed_ns == 0) return false;
    const std::uint64_t since = now - watched.killed_ns;
    switch (judge(watched)) {
      case Verdict::kServed: latencies_ms_.push_back(static_cast<float>(since) / 1e6F); return true;
      case Verdict::kNothingDue: ++waiting_for_client_; return true;
      case Verdict::kUnserved:
        if (since < kGivenUpNs) return false;
        ++never_;
        return true;
    }
    return false;
  });
}

}  // namespace baton::survive
