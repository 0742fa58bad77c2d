// What the master hands to the program that it executes in its place: the numbers of the descriptors that
// stay open, and the pids of its children. Everything else that lives on is in the segment.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "common/base/unique_fd.h"
#include "common/shared/connection_table.h"

namespace baton {

// The descriptors are plain numbers and own nothing. The new program makes an owner for each as it takes it
// over.
struct UpgradeState {
  // To be raised when the members below change their meaning: a program cannot take over from one with
  // another number.
  static constexpr int kFormat = 3;

  struct Listener {
    enum class Stage : std::uint8_t { kActive, kPrepared, kRemoved };  // as in master/listeners.h
    std::string text;                                                  // as the configuration has it
    std::string address;  // as Address::parse() takes it; paths are absolute
    int backlog = 0;
    int fd = -1;
    Stage stage = Stage::kActive;
    bool tls = false;
  };
  struct Worker {
    pid_t pid = -1;
    Holder index = 0;
    std::uint32_t ordinal = 0;
    std::uint32_t restarts = 0;
    bool keyholder = false;
  };
  struct Generation {
    std::uint32_t number = 0;
    std::string access_log;
    int access_log_fd = -1;  // -1: off or stdout
    std::vector<Worker> workers;
  };

  std::string version;         // of the program that hands over
  std::uint64_t begun_ns = 0;  // on CLOCK_MONOTONIC; no worker serves from then on
  int epoll_fd = -1;
  int tls_fd = -1;  // of TlsTable; -1: no listener has had TLS
  std::string error_log;
  int error_log_fd = -1;
  std::string pid_file;  // empty: none
  bool reload_asked = false;
  std::uint32_t slots = 0;     // of the segment
  std::uint32_t entries = 0;   // of the segment's scoreboard
  std::uint32_t capacity = 0;  // most_connections() at the start
  std::vector<Listener> listeners;
  std::vector<Generation> generations;  // with running workers; the serving one first

  // Returns a sealed memfd that holds all of this. Throws std::runtime_error.
  [[nodiscard]] UniqueFd save() const;
  // Reads what save() wrote. Throws std::runtime_error if the memfd is not sealed or its content is invalid.
  static UpgradeState load(int fd);
};

// The value of kUpgradeVariable: the number of the memfd, and which file it is. A worker that has gone wrong
// can put another file under that number before the program is executed, but it cannot change the
// environment.
std::string name_of_state(int fd);

// The environment variable that names the memfd to the program that is executed, with name_of_state().
constexpr const char* kUpgradeVariable = "BATON_UPGRADE_STATE";

// If a master has executed this program in an upgrade: what the master handed to it. Then the variable and
// the memfd are gone afterwards, and all descriptors from 3 on are close-on-exec again. Throws
// std::runtime_error.
std::optional<UpgradeState> inherited_state();

}  // namespace baton
