#include "master/unfinished.h"

#include <fmt/format.h>

#include "common/base/printable.h"
#include "common/base/units.h"
#include "common/stats/stats.h"
#include "worker/connection/transport.h"

namespace baton {

namespace {

std::string describe(const ConnectionStats& connection) {
  std::string_view state = connection.state;
  if (connection.worker) state = connection.phase == Phase::kStreaming ? "streaming" : "handling";
  return fmt::format("{} \"{}\" of {}, {} sent", state, printable(connection.request.value_or("")),
                     printable(connection.peer), format_bytes(connection.bytes_out));
}

template <typename Wanted>
std::vector<int> unfinished_connections(const Segment& segment, Wanted wanted) {
  std::vector<int> connections;
  const int highest = segment.highest_fd();
  for (int fd = 0; fd <= highest; ++fd) {
    if (wanted(segment.connections().claim(fd)) && unfinished(segment, fd)) connections.push_back(fd);
  }
  return connections;
}

}  // namespace

bool unfinished(const Segment& segment, int fd) {
  const ConnectionTable table = segment.connections();
  if (!table.claim(fd).is_client()) return false;
  Slot& slot = table.at(fd);
  switch (slot.phase) {
    case Phase::kBody:
    case Phase::kHandling:
    case Phase::kResponse:
    case Phase::kStreaming:
    case Phase::kParked: return true;
    case Phase::kHandshake:
    case Phase::kLingering: return false;
    case Phase::kHead: break;
  }
  return slot.spool_fd >= 0 || Transport(fd, slot).unread() > 0;
}

void CutOffs::add_of(const Segment& segment, Holder worker) {
  add(segment, unfinished_connections(segment, [worker](const Claim& claim) {
        return claim.state == SlotState::kHeld && claim.holder == worker;
      }));
}

void CutOffs::add_rest(const Segment& segment) {
  add(segment, unfinished_connections(segment, [](const Claim&) { return true; }));
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
