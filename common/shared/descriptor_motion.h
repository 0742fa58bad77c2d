// Announces that a worker changes the descriptor table, and says whether it may.
#pragma once

#include "common/shared/segment.h"

namespace baton {

// A descriptor is in motion while it is open but no slot or table names it: from the moment the kernel
// returns it until it is named, and from the moment its name is removed until it is closed. A worker that
// is killed in between leaves it open and unnamed. A DescriptorMotion stands around every such stretch; it
// is never held across anything that waits. Two parts of the master rely on it:
//
// - Reclaiming (master/reclaimer.h): an unnamed descriptor that no living worker has in motion is a
//   leftover.
// - Upgrading (master/freeze.h): once SegmentHeader::frozen is set and every worker has been seen out of
//   motion, nobody changes the table until the new program has it.
//
// It converts to false while the table is frozen. It converts to false for ever in a worker from before an
// upgrade, because that worker's table is no longer the server's. The caller must then open nothing that
// other processes are to use, and close no client's socket.
class DescriptorMotion {
 public:
  enum class Kind : unsigned char { kSocket, kFile };

  // Tells this process which flight record is its own. Before this call, and in the master, all motion is
  // allowed and nothing announces it.
  static void report_to(FlightRecord& flight, const SegmentHeader& header) {
    flight_ = &flight;
    header_ = &header;
    executions_ = header.executions.load(std::memory_order_relaxed);
  }

  explicit DescriptorMotion(Kind kind) {
    if (flight_ == nullptr) return;
    counter_ = kind == Kind::kSocket ? &flight_->sockets_in_motion : &flight_->files_in_motion;
    // It may be inside another one of its kind; then the outermost decides.
    if (counter_->load(std::memory_order_relaxed) % 2 != 0) {
      counter_ = nullptr;
      return;
    }
    // Before the look at `frozen`, and before any system call.
    counter_->fetch_add(1, std::memory_order_seq_cst);
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
