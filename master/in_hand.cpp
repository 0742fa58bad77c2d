#include "master/in_hand.h"

#include <sys/ioctl.h>

namespace baton {

bool in_hand(const Segment& segment, int fd) {
  const ConnectionTable table = segment.connections();
  const SlotState state = table.claim(fd).state;
  if (state == SlotState::kFree || state == SlotState::kListener) return false;
  const Slot& slot = table.at(fd);
  switch (slot.phase) {
    case Phase::kBody:
    case Phase::kHandling:
    case Phase::kResponse:
    case Phase::kStreaming:
    case Phase::kParked: return true;
    case Phase::kLingering: return false;
    case Phase::kHead: break;
  }
  int unread = 0;
  return slot.spool_fd >= 0 || (::ioctl(fd, FIONREAD, &unread) == 0 && unread > 0);
}

std::size_t count_in_hand(const Segment& segment) {
  std::size_t count = 0;
  const int highest = segment.header().highest_fd.load(std::memory_order_relaxed);
  for (int fd = 0; fd <= highest; ++fd) {
    if (in_hand(segment, fd)) ++count;
  }
  return count;
}

}  // namespace baton
