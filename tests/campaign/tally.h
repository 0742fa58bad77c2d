// What the clients of the campaign have seen, added up over all threads.
#pragma once

#include <atomic>
#include <cstdint>
#include <mutex>
#include <string>
#include <vector>

#include "common/base/clock.h"

namespace baton::survive {

using Count = std::atomic<std::uint64_t>;

// How a connection was lost that the server should have kept, by what the client was doing.
enum class Drop : std::uint8_t {
  kIdle,
  kHalfHead,
  kUploading,
  kNew,
  kDownloading,
  kPipelining,
  kKeepAlive,
  kPosting
};
constexpr std::size_t kDrops = 8;
constexpr const char* kDropNames[kDrops] = {"idle",        "sending a head", "uploading",  "new",
                                            "downloading", "pipelining",     "keep-alive", "posting"};

struct Tally {
  Count connections{0};
  Count requests{0};
  Count responses{0};
  Count bytes_checked{0};
  Count corrupted{0};  // responses that were not the one due: wrong bytes, wrong place, wrong status
  Count dropped[kDrops]{};
  // Unix sockets: ended in the middle of a response, as documented, and in any other state.
  Count unix_cut{0};
  Count unix_dropped{0};
  Count failed_idempotent{0};  // 5xx, or the connection lost before its response was complete
  Count failed_posts{0};
  Count hung{0};  // no progress for kHungNs
  Count reset_by_us{0};

  // For people: the first few of what went wrong, and when.
  void note(const std::string& what) {
    const std::lock_guard lock(mutex_);
    if (notes_.size() < kMostNotes)
      notes_.push_back(std::to_string((monotonic_ns() - begin_ns_) / 1'000'000) + " ms: " + what);
  }
  [[nodiscard]] std::vector<std::string> notes() const {
    const std::lock_guard lock(mutex_);
    return notes_;
  }

 private:
  static constexpr std::size_t kMostNotes = 20;
  const std::uint64_t begin_ns_ = monotonic_ns();
  mutable std::mutex mutex_;
  std::vector<std::string> notes_;
};

}  // namespace baton::survive
