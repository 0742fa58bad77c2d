// Makes room for clients' descriptors when there are none left: cached files give way.
#pragma once

#include <cerrno>

#include "common/shared/segment.h"

namespace baton {

class DescriptorRoom {
 public:
  // Call once in each process that opens anything for clients; `segment` must outlive it. Before that,
  // make() does nothing.
  static void take_from(const Segment& segment, Holder holder) {
    segment_ = &segment;
    holder_ = holder;
  }

  // Retires some cached files and closes those that no worker uses. False: none is left to retire. Sets
  // errno to EMFILE.
  static bool make();

 private:
  static inline const Segment* segment_ = nullptr;
  static inline Holder holder_ = kNoHolder;
};

// Calls `open`, which returns a descriptor, or -1 with errno. Repeats it for as long as it fails for want
// of a descriptor and cached files give way.
template <typename Open>
int open_with_room(Open open) {
  int fd = open();
  while (fd < 0 && errno == EMFILE && DescriptorRoom::make()) fd = open();
  return fd;
}

}  // namespace baton
