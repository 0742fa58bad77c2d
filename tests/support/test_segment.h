// A segment with a name of its own, which is removed with the test.
#pragma once

#include <unistd.h>

#include <atomic>
#include <boost/interprocess/shared_memory_object.hpp>
#include <string>

#include "common/shared/segment.h"

namespace baton::test {

// Unique among the processes and the calls of a test run.
inline std::string unique_segment_name() {
  static std::atomic<unsigned> calls{0};
  return "baton-test-" + std::to_string(::getpid()) + "-" + std::to_string(calls++);
}

// Removes the name at the end, whichever process made the segment.
class SegmentName {
 public:
  SegmentName() : text_(unique_segment_name()) {}
  explicit SegmentName(std::string text) : text_(std::move(text)) {}
  SegmentName(const SegmentName&) = delete;
  SegmentName& operator=(const SegmentName&) = delete;
  ~SegmentName() { boost::interprocess::shared_memory_object::remove(text_.c_str()); }

  [[nodiscard]] const std::string& text() const { return text_; }

 private:
  std::string text_;
};

constexpr SegmentSizes kSmall{64, 4};

// Makes this process the master of `segment`.
inline void become_master(const Segment& segment) {
  segment.header().master_pid = ::getpid();
  segment.header().master_start = process_start(::getpid());
}

}  // namespace baton::test
