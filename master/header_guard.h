// The words of the segment that the master alone writes.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "common/shared/segment.h"

namespace baton {

// Identity, state, generation, listeners, reports: workers and batonctl act by them. A worker that has gone
// wrong can have written there, too. So the master keeps a copy of its own: what is not as it left it, when
// it has waited for something to do, is put right.
class HeaderGuard {
 public:
  explicit HeaderGuard(SegmentHeader& header) : header_(header) {}

  // Before the master waits: this is what it means to stand there.
  void note();
  // Afterwards. Returns how many bytes were put right.
  std::size_t mend();
  // Tells of it in the log, once a minute at most.
  void tell(std::size_t bytes, std::uint64_t now_ns);

 private:
  SegmentHeader& header_;
  std::vector<std::byte> copy_;
  std::uint64_t next_ns_ = 0;
};

}  // namespace baton
