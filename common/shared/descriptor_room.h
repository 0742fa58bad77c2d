// Descriptors for clients where there are none left: cached files give way.
#pragma once

#include <cerrno>

#include "common/shared/segment.h"

namespace baton {

class DescriptorRoom {
 public:
  // Once in each process that opens anything for clients; `segment` outlives it. Before, nothing gives way.
  static void take_from(const Segment& segment, Holder holder) {
    segment_ = &segment;
    holder_ = holder;
  }

  // Whether a file has given way. Else errno is EMFILE.
  static bool make();

 private:
  static inline const Segment* segment_ = nullptr;
  static inline Holder holder_ = kNoHolder;
};

// Calls `open`, which returns a descriptor, or -1 with errno: again as long as it finds none and files give
// way.
template <typename Open>
int open_with_room(Open open) {
  int fd = open();
  while (fd < 0 && errno == EMFILE && DescriptorRoom::make()) fd = open();
  return fd;
}

}  // namespace baton
