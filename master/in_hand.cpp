#include "master/in_hand.h"

#include <fmt/format.h>
#include <sys/ioctl.h>

#include "common/base/printable.h"
#include "common/base/units.h"
#include "common/stats/stats.h"

namespace baton {

namespace {

std::string describe(const ConnectionStats& connection) {
  std::string_view state = connection.state;
  if (connection.worker) state = connection.phase == Phase::kStreaming ? "streaming" : "handling";
  return fmt::format("{} \"{}\" of {}, {} sent", state, printable(connection.request.value_or("")),
                     printable(connection.peer), format_bytes(connection.bytes_out));
}

template <typename Wanted>
std::vector<int> connections_in_hand(const Segment& segment, Wanted wanted) {
  std::vector<int> connections;
  const int highest = segment.highest_fd();
  for (int fd = 0; fd <= highest; ++fd) {
    if (wanted(segment.connections().claim(fd)) && in_hand(segment, fd)) connections.push_back(fd);
  }
  return connections;
}

}  // namespace

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

void CutOffs::add_of(const Segment& segment, Holder worker) {
  add(segment, connections_in_hand(segment, [worker](const Claim& claim) {
        return claim.state == SlotState::kHeld && claim.holder == worker;
      }));
}

void CutOffs::add_rest(const Segment& segment) {
  add(segment, connections_in_hand(segment, [](const Claim&) { return true; }));
}

void CutOffs::add(const Segment& segment, const std::vector<int>& connections) {
  std::set<int> told;
  for (const int fd : connections) {
    if (connections_.insert(fd).second && lines_.size() + told.size() < kMostTold) told.insert(fd);
  }
  if (told.empty()) return;
  for (const ConnectionStats& connection : take_snapshot(segment).connections) {
    if (told.contains(connection.fd)) lines_.push_back(describe(connection));
  }
}

}  // namespace baton
