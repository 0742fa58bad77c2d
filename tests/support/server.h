// Runs the real binary with a configuration of the test's own, on port 0.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "common/shared/segment.h"
#include "tests/support/client.h"
#include "tests/support/temp_dir.h"

namespace baton::test {

// The result of a program that has run to its end.
struct Finished {
  int status = -1;  // exit status; 128 + n if signal n killed it
  std::string out;
  std::string err;
};
// Kills the program if it does not end within kPatience. If the test runs as root, so does a baton whose
// configuration names no user.
Finished run_program(const std::vector<std::string>& arguments);

// Paths of the binaries beside the running test.
std::string baton_binary();
std::string batonctl_binary();
// The same program as version 99.1.2; and as 99.2.0, whose shared memory has another layout.
std::string next_baton_binary();
std::string other_baton_binary();

// The files in a server's folder for what it prints.
struct Streams {
  std::string out = "stdout.txt";
  std::string err = "stderr.txt";
};

class Server {
 public:
  // Writes `config` as baton.toml into `folder` and starts the server with it in the foreground. Waits until
  // it serves; if it ends instead, throws with its log.
  //
  // If `config` has no [[listen]] or no [timeouts], adds 127.0.0.1:0 and long timeouts. `binary`: another
  // program than the one beside the test. `streams`: the files in `folder` for its log and its output.
  Server(const TempDir& folder, const std::string& config, const std::string& binary = baton_binary(),
         const Streams& streams = {});
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;
  // Stops the server at once, and kills it if need be.
  ~Server();

  [[nodiscard]] pid_t pid() const { return pid_; }
  [[nodiscard]] std::uint16_t port(std::size_t listener = 0) const;
  [[nodiscard]] std::string host(std::size_t listener = 0) const;  // "127.0.0.1", "::1"
  [[nodiscard]] const Segment& segment() const { return *segment_; }
  [[nodiscard]] SegmentHeader& header() const { return segment_->header(); }
  [[nodiscard]] const std::string& config_file() const { return config_file_; }
  [[nodiscard]] std::string log() const;

  // Over TLS if the listener has it.
  [[nodiscard]] Client connect(std::size_t listener = 0) const;

  // Process ids of the ready workers of the serving generation.
  [[nodiscard]] std::vector<pid_t> workers() const;
  [[nodiscard]] std::vector<pid_t> keyholders() const;
  // The sum of one counter over all workers, including dead ones.
  [[nodiscard]] std::uint64_t total(Counters::Counter Counters::*counter) const;
  // The slot of the only connection.
  [[nodiscard]] int only_connection() const;
  // How many connections are in `state` now.
  [[nodiscard]] int connections_in(SlotState state) const;

  void signal(int number) const;
  // Replaces the configuration and reloads it; returns the result of batonctl reload.
  Finished reload(const std::string& config) const;
  void write_config(const std::string& config) const;
  // Runs batonctl with -c for this server.
  [[nodiscard]] Finished ctl(std::vector<std::string> arguments) const;
  // Waits until the server has ended by itself; returns its exit status.
  int wait();
  // SIGTERM, then wait().
  int stop();

 private:
  [[nodiscard]] std::vector<pid_t> ready(ProcessRole role) const;

  const TempDir& folder_;
  std::string config_file_;
  pid_t pid_ = -1;
  std::unique_ptr<Segment> segment_;
};

// A line for [server] that names the user nobody if the test runs as root, so that the server may do no more
// than any other user.
std::string unprivileged_user();

// Two workers, and a site with one static route at "/" on the folder `root`. `settings` continues [server],
// `route_options` the route's `static`.
std::string static_config(const std::string& root, const std::string& route_options = "",
                          const std::string& settings = "");

}  // namespace baton::test
