// How long a connection is without a worker after the death of the one that held it.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "common/shared/segment.h"

namespace baton::survive {

// Looks at the segment, without a claim of its own: the slots that a worker holds when it is killed, and when
// each of them has got on.
class RecoveryWatch {
 public:
  explicit RecoveryWatch(const Segment& segment) : segment_(segment) {}

  // `holder` stands still. Notes what it holds, if it is to be killed: killed() must follow then.
  bool will_be_killed(Holder holder);
  void killed(std::uint64_t now);
  // To be called often: the times are only as exact as that.
  void look(std::uint64_t now);

  [[nodiscard]] const std::vector<float>& latencies_ms() const { return latencies_ms_; }
  // Handed on, and then waiting for its client: nothing was due.
  [[nodiscard]] std::uint64_t waiting_for_client() const { return waiting_for_client_; }
  // Held by nobody alive for kGivenUpNs.
  [[nodiscard]] std::uint64_t never() const { return never_; }

 private:
  struct Watched {
    int fd;
    Holder holder;
    std::uint64_t worker_started_ns;  // of the one that was killed: its entry is used again
    std::uint64_t killed_ns;          // 0: about to be
    std::uint32_t generation;
    std::uint64_t progress;  // see progress_of()
  };
  enum class Verdict : std::uint8_t { kUnserved, kNothingDue, kServed };
  [[nodiscard]] bool due(int fd, SlotState armed) const;
  [[nodiscard]] Verdict judge(const Watched& watched) const;
  [[nodiscard]] static std::uint64_t progress_of(const Slot& slot);

  const Segment& segment_;
  std::vector<Watched> watched_;
  std::vector<float> latencies_ms_;
  std::uint64_t waiting_for_client_ = 0;
  std::uint64_t never_ = 0;
};

}  // namespace baton::survive
