// Protects the words of the segment that only the master writes.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "common/shared/segment.h"

namespace baton {

// These words are identity, state, generation, listeners and reports; workers and batonctl act by them. But a
// worker that has gone wrong can write there, too. So the master copies them before each wait, and restores
// afterwards what has changed.
class HeaderGuard {
 public:
  explicit HeaderGuard(SegmentHeader& header) : header_(header) {}

  // Before the master waits: copies the words.
  void note();
  // After the wait: restores them. Returns how many bytes had changed.
  std::size_t mend();
  // Reports the damage in the log, at most once a minute.
  void tell(std::size_t bytes, std::uint64_t now_ns);

 private:
  SegmentHeader& header_;
  std::vector<std::byte> copy_;
  std::uint64_t next_ns_ = 0;
};

}  // namespace baton
