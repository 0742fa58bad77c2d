// Looking at a running server from outside: its processes, its connection table, its statistics.
#pragma once

#include <sys/types.h>

#include <cstddef>
#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "tests/support/server.h"

namespace baton::test {

// Whether a process has ended; one that nobody has waited for yet has ended too.
bool gone(pid_t pid);
bool gone(const std::vector<pid_t>& pids);

// What stands behind "name:" in /proc/PID/status, such as "0\t0\t0\t0" for Uid; "" when there is no such
// process.
std::string status_field(pid_t pid, const std::string& name);

// Waits until the log has it. What the server does for clients comes before what it says of it, so a client
// that has seen the one is too early for the other.
bool log_has(const Server& server, const std::string& text);

// Descriptors that the process has open.
std::vector<int> open_descriptors(const Server& server);

// Whether nobody listens there.
bool refuses(std::uint16_t port, const std::string& host = "127.0.0.1");

// How many connections are handed back to the set and stand in this phase.
std::size_t count_armed(const Server& server, Phase phase);
// How many there are at all.
std::size_t count_connections(const Server& server);

// The scoreboard's entry of a live worker; throws when there is none.
const WorkerEntry& entry_of(const Server& server, pid_t worker);

// batonctl stats --json.
nlohmann::json stats(const Server& server);

// A process that is stopped (SIGSTOP) as long as this lives.
class Stopped {
 public:
  explicit Stopped(pid_t pid);
  Stopped(const Stopped&) = delete;
  Stopped& operator=(const Stopped&) = delete;
  ~Stopped();

 private:
  pid_t pid_;
};

}  // namespace baton::test
