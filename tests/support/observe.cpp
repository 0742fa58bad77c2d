#include "tests/support/observe.h"

#include <signal.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <stdexcept>

#include "tests/support/wait.h"

namespace baton::test {

namespace {

template <typename Predicate>
std::size_t count_slots(const Server& server, Predicate predicate) {
  const ConnectionTable table = server.segment().connections();
  std::size_t count = 0;
  for (int fd = 0; fd <= server.header().highest_fd.load(); ++fd) {
    const SlotState state = table.claim(fd).state;
    if (state != SlotState::kFree && state != SlotState::kListener && predicate(state, table.at(fd))) ++count;
  }
  return count;
}

}  // namespace

bool gone(pid_t pid) {
  const std::string state = status_field(pid, "State");
  return state.empty() || state.starts_with("Z") || state.starts_with("X");
}

bool gone(const std::vector<pid_t>& pids) {
  return std::all_of(pids.begin(), pids.end(), [](pid_t pid) { return gone(pid); });
}

std::string status_field(pid_t pid, const std::string& name) {
  std::ifstream file("/proc/" + std::to_string(pid) + "/status");
  for (std::string line; std::getline(file, line);) {
    if (line.starts_with(name + ":\t")) return line.substr(name.size() + 2);
  }
  return "";
}

bool log_has(const Server& server, const std::string& text) {
  return wait_until([&] { return server.log().find(text) != std::string::npos; });
}

bool refuses(std::uint16_t port, const std::string& host) {
  try {
    Client::connect_tcp(port, host);
    return false;
  } catch (const std::runtime_error&) {
    return true;
  }
}

std::vector<int> open_descriptors(const Server& server) {
  std::vector<int> open;
  for (const auto& entry :
       std::filesystem::directory_iterator("/proc/" + std::to_string(server.pid()) + "/fd")) {
    open.push_back(std::stoi(entry.path().filename()));
  }
  std::sort(open.begin(), open.end());
  return open;
}

std::size_t count_armed(const Server& server, Phase phase) {
  return count_slots(server, [phase](SlotState state, const Slot& slot) {
    return state != SlotState::kHeld && slot.phase == phase;
  });
}

std::size_t count_connections(const Server& server) {
  return count_slots(server, [](SlotState, const Slot&) { return true; });
}

const WorkerEntry& entry_of(const Server& server, pid_t worker) {
  for (const WorkerEntry& entry : server.segment().scoreboard()) {
    if (entry.state.load() != WorkerState::kEmpty && entry.pid.load() == worker) return entry;
  }
  throw std::runtime_error("no worker is pid " + std::to_string(worker));
}

nlohmann::json stats(const Server& server) {
  const Finished done = server.ctl({"stats", "--json"});
  if (done.status != 0) throw std::runtime_error("batonctl stats: " + done.err);
  return nlohmann::json::parse(done.out);
}

Stopped::Stopped(pid_t pid) : pid_(pid) {
  ::kill(pid, SIGSTOP);
  if (!wait_until([pid] { return status_field(pid, "State").starts_with("T"); })) {
    throw std::runtime_error("the process does not stop");
  }
}

Stopped::~Stopped() {
  ::kill(pid_, SIGCONT);
}

}  // namespace baton::test
