// What the master hands to the program that it executes in its place: the numbers of descriptors that stay
// open, and who its children are. Everything else that lives on is in the segment.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "common/base/unique_fd.h"
#include "common/shared/connection_table.h"

namespace baton {

// Plain numbers: they own nothing. Who takes an object over makes the owner.
struct UpgradeState {
  // To be raised when the members below change their meaning: programs of different numbers cannot follow
  // each other.
  static constexpr int kFormat = 2;

  struct Listener {
    enum class Stage : std::uint8_t { kActive, kPrepared, kRemoved };  // as in master/listeners.h
    std::string text;                                                  // as the configuration has it
    std::string address;  // as Address::parse() takes it: paths absolute
    int backlog = 0;
    int fd = -1;
    Stage stage = Stage::kActive;
  };
  struct Worker {
    pid_t pid = -1;
    Holder index = 0;
    std::uint32_t ordinal = 0;
    std::uint32_t restarts = 0;
  };
  struct Generation {
    std::uint32_t number = 0;
    std::string access_log;
    int access_log_fd = -1;  // -1: off or stdout
    std::vector<Worker> workers;
  };

  std::string version;         // of the program that hands over
  std::uint64_t begun_ns = 0;  // on CLOCK_MONOTONIC: nobody serves since
  int epoll_fd = -1;
  std::string error_log;
  int error_log_fd = -1;
  std::string pid_file;  // empty: none
  bool reload_asked = false;
  std::uint32_t slots = 0;  // of the segment, as are the scoreboard's entries
  std::uint32_t entries = 0;
  std::uint32_t capacity = 0;  // most_connections() at the start
  std::vector<Listener> listeners;
  std::vector<Generation> generations;  // with running workers; the serving one first

  // A memfd with all of this, sealed. Throws std::runtime_error.
  [[nodiscard]] UniqueFd save() const;
  // What save() wrote. Throws std::runtime_error: it is not sealed, or says what cannot be.
  static UpgradeState load(int fd);
};

// What kUpgradeVariable says of the memfd: its number, and which file it is. A worker that has gone wrong can
// put another file under the number before the program is executed; not into the environment.
std::string name_of_state(int fd);

// Names the memfd in the environment of the program that is executed: name_of_state().
constexpr const char* kUpgradeVariable = "BATON_UPGRADE_STATE";

// If this process is one that a master has become: what it was handed. The variable and the memfd are gone
// then, and all descriptors from 3 on are closed on exec again. Throws std::runtime_error.
std::optional<UpgradeState> inherited_state();

}  // namespace baton
