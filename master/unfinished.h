// Finds the requests and responses that a stop cuts off.
#pragma once

#include <cstddef>
#include <set>
#include <string>
#include <vector>

#include "common/shared/segment.h"

namespace baton {

// Whether a request of this connection has begun to arrive, or its response has not all been handed to the
// kernel. False for an idle connection, and for one whose last response has been sent. While a worker holds
// the connection, the result is only a hint.
bool unfinished(const Segment& segment, int fd);

// Collects what is in hand when the server ends, each connection once.
class CutOffs {
 public:
  static constexpr std::size_t kMostTold = 10;

  // Adds what `worker` held when it ended. Must be called before recover(), which changes the phase of the
  // connections.
  void add_of(const Segment& segment, Holder worker);
  // Adds what no worker holds. To be called when no worker is left.
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
