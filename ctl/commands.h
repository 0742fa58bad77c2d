// The commands of batonctl. Each returns the exit status of the program.
#pragma once

#include <chrono>
#include <optional>
#include <string>

#include "ctl/control.h"

namespace baton::ctl {

constexpr int kExitOk = 0;
constexpr int kExitFailed = 1;  // the server refused, or no server runs
constexpr int kExitUsage = 2;

enum class Subject : unsigned char { kStats, kWorkers, kConnections };

struct ShowOptions {
  std::string config_file;  // its path identifies the server; the file need not be readable or valid
  bool json = false;
  std::optional<std::chrono::milliseconds> watch;  // repeat at this interval until SIGINT or the server's end
};

// Prints `subject` to stdout, errors to stderr.
int show(Subject subject, const ShowOptions& options);

int reload(const std::string& config_file);
int upgrade(const std::string& config_file);
int stop(const std::string& config_file, Stop how, std::chrono::seconds patience);
int reopen(const std::string& config_file);

// Returns $BATON_CONFIG, else conf/baton.toml if there is one, else /etc/baton/baton.toml.
std::string default_config_file();

}  // namespace baton::ctl
