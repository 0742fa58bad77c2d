// Looks at a running server from outside: its processes, its connection table, its statistics.
#pragma once

#include <sys/types.h>

#include <cstddef>
#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "tests/support/server.h"

namespace baton::test {

// Whether a process has ended; also if its parent has not waited for it yet.
bool gone(pid_t pid);
bool gone(const std::vector<pid_t>& pids);

// The text behind "name:" in /proc/PID/status, such as "0\t0\t0\t0" for Uid; "" if there is no such process.
std::string status_field(pid_t pid, const std::string& name);

// Waits until the log has `text`. The server writes the log after what it does for clients: a client that has
// seen the effect may be too early for the line.
bool log_has(const Server& server, const std::string& text);

// Descriptors that the process has open.
std::vector<int> open_descriptors(const Server& server);

// Whether no process listens there.
bool refuses(std::uint16_t port, const std::string& host = "127.0.0.1");

// How many connections in this phase are armed in the epoll set.
std::size_t count_armed(const Server& server, Phase phase);
// How many connections there are in all.
std::size_t count_connections(const Server& server);

// The scoreboard's entry of a live worker; throws if there is none.
const WorkerEntry& entry_of(const Server& server, pid_t worker);

// What batonctl stats --json prints.
nlohmann::json stats(const Server& server);

// Keeps a process stopped (SIGSTOP) as long as this lives.
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
