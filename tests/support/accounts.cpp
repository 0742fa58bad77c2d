#include "tests/support/accounts.h"

#include <algorithm>
#include <filesystem>
#include <set>

namespace baton::test {

namespace {

bool live(SlotState state) {
  return state != SlotState::kFree && state != SlotState::kListener;
}

// Every descriptor that shared memory names.
std::set<int> named_descriptors(const Server& server) {
  std::set<int> named;
  const ConnectionTable table = server.segment().connections();
  for (int fd = 0; fd <= server.header().highest_fd.load(); ++fd) {
    const SlotState state = table.claim(fd).state;
    if (state == SlotState::kFree) continue;
    named.insert(fd);
    const Slot& slot = table.at(fd);
    if (live(state)) named.insert({slot.spool_fd, slot.script_fd, slot.body_fd});
  }
  for (std::uint32_t i = 0; i < server.header().listener_count.load(); ++i)
    named.insert(server.header().listener_fds[i].load());
  server.segment().files().for_each_fd([&named](int fd) { named.insert(fd); });
  return named;
}

// Whether the text of a /proc link is one of a descriptor that only connections and the open-file table have.
// The images of modules are memfds as well.
bool belongs_to_clients(const std::string& target, const std::string& root, const std::string& spool) {
  return target.starts_with("socket:") || target.starts_with("/memfd:baton-") || target.starts_with(root) ||
         target.starts_with(spool);
}

}  // namespace

std::vector<std::string> unaccounted_descriptors(const Server& server) {
  const std::string config = server.config_file();
  // A root itself is kept open by its route; what is below it, by the table.
  const std::string root = config.substr(0, config.rfind('/')) + "/root/";
  const std::string spool = config.substr(0, config.rfind('/')) + "/spool/";
  const std::filesystem::path open = "/proc/" + std::to_string(server.pid()) + "/fd";
  const std::set<int> named = named_descriptors(server);
  std::vector<std::string> found;
  for (const auto& entry : std::filesystem::directory_iterator(open)) {
    std::error_code closed_meanwhile;
    const std::string target = std::filesystem::read_symlink(entry.path(), closed_meanwhile).string();
    const int fd = std::stoi(entry.path().filename());
    if (!closed_meanwhile && belongs_to_clients(target, root, spool) && !named.contains(fd))
      found.push_back(std::to_string(fd) + " -> " + target);
  }
  return found;
}

bool slots_add_up(const Server& server) {
  const ConnectionTable table = server.segment().connections();
  std::uint32_t used = 0;
  for (int fd = 0; fd <= server.header().highest_fd.load(); ++fd) {
    const Claim claim = table.claim(fd);
    if (!live(claim.state)) continue;
    ++used;
    if (claim.state != SlotState::kHeld || claim.holder == kMasterHolder) continue;
    if (claim.holder >= server.segment().scoreboard().size()) return false;
    if (server.segment().scoreboard()[claim.holder].state.load() == WorkerState::kEmpty) return false;
  }
  return used == server.header().connections.load();
}

}  // namespace baton::test
