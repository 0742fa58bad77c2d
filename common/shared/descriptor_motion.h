// When a worker may change the descriptor table, and how the master knows that it is doing so.
#pragma once

#include "common/shared/segment.h"

namespace baton {

// A descriptor is in motion from the moment the kernel returns it until a slot or a table names it, and from
// the moment it is forgotten there until it is closed. A worker killed in between leaves it open and unnamed.
// One of these stands around every such stretch; it is never held across anything that waits. It serves two
// readers in the master:
//
// - reclaiming (master/reclaimer.h): an unnamed descriptor that no living worker has in motion is a leftover;
// - upgrading (master/freeze.h): after SegmentHeader::frozen is set and every worker has been seen out of
//   motion, nobody changes the table until the new program has it.
//
// Converts to false while the table is frozen, and for ever in a worker from before an upgrade, whose table
// is not the server's any more: nothing may be opened that others are to use then, and no client's socket be
// closed.
class DescriptorMotion {
 public:
  enum class Kind : unsigned char { kSocket, kFile };

  // Tells this process which flight record is its own; before, and in the master, all motion is allowed and
  // unseen.
  static void report_to(FlightRecord& flight, const SegmentHeader& header) {
    flight_ = &flight;
    header_ = &header;
    executions_ = header.executions.load(std::memory_order_relaxed);
  }

  explicit DescriptorMotion(Kind kind) {
    if (flight_ == nullptr) return;
    counter_ = kind == Kind::kSocket ? &flight_->sockets_in_motion : &flight_->files_in_motion;
    // May be inside another one of its kind: the outermost decides.
    if (counter_->load(std::memory_order_relaxed) % 2 != 0) {
      counter_ = nullptr;
      return;
    }
    counter_->fetch_add(1, std::memory_order_seq_cst);  // before the look at `frozen`, and before any call
    if (!table_lost()) return;
    end();
    allowed_ = false;
  }
  ~DescriptorMotion() { end(); }
  DescriptorMotion(const DescriptorMotion&) = delete;
  DescriptorMotion& operator=(const DescriptorMotion&) = delete;

  // Whether motion is forbidden to this process now.
  static bool table_lost() {
    return header_ != nullptr && (header_->frozen.load(std::memory_order_seq_cst) != 0 ||
                                  header_->executions.load(std::memory_order_seq_cst) != executions_);
  }

  explicit operator bool() const { return allowed_; }

 private:
  void end() {
    if (counter_ != nullptr) counter_->fetch_add(1, std::memory_order_release);
    counter_ = nullptr;
  }

  static inline FlightRecord* flight_ = nullptr;
  static inline const SegmentHeader* header_ = nullptr;
  static inline std::uint32_t executions_ = 0;
  std::atomic<std::uint32_t>* counter_ = nullptr;
  bool allowed_ = true;
};

}  // namespace baton
