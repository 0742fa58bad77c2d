// What a stop cuts off.
#pragma once

#include <cstddef>
#include <set>
#include <string>
#include <vector>

#include "common/shared/segment.h"

namespace baton {

// Whether a request of this connection has begun to arrive, or its response is not yet in the kernel's hands.
// Neither an idle connection nor one whose last response has been sent. Only a hint while a worker holds it.
bool unfinished(const Segment& segment, int fd);

// Gathers what is in hand when a server ends, each connection once.
class CutOffs {
 public:
  static constexpr std::size_t kMostTold = 10;

  // What `worker` held when it ended: before what it has left behind is put in order, which changes what the
  // connection is in the middle of.
  void add_of(const Segment& segment, Holder worker);
  // What nobody holds. No worker is left.
  void add_rest(const Segment& segment);

  [[nodiscard]] std::size_t count() const { return connections_.size(); }
  // A line for each of the first kMostTold.
  [[nodiscard]] const std::vector<std::string>& lines() const { return lines_; }

 private:
  void add(const Segment& segment, const std::vector<int>& connections);

  std::set<int> connections_;
  std::vector<std::string> lines_;
};

}  // namespace baton
