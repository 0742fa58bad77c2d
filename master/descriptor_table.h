// The one descriptor table: how large it must be, and growing it before anybody shares it.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "common/config/config.h"

namespace baton {

// A connection's socket, and what a response of several ranges is parked in: its file, and a script.
constexpr std::uint32_t kMostPerConnection = 3;
// Listeners, logs, roots, those of a second generation, what workers have in hand.
constexpr std::uint32_t kServerDescriptors = 512;

// Raises RLIMIT_NOFILE for `max_connections` and grows the table to it at once: growing it later, when it is
// shared, stalls every process for up to 24 ms. Returns the new limit: no descriptor number reaches it, in
// any process.
//
// Wanted are as many as all connections may hold, those of the open-file table, and those of the server
// itself. Where the hard limit forbids that, one for each connection is enough to start: then cached files
// give way (common/shared/descriptor_room.h), and only so many responses can be parked at once as there are
// descriptors left. Throws std::runtime_error that names the limit and the remedy when it does not reach even
// for that.
std::uint32_t size_descriptor_table(std::uint32_t max_connections);

// What is wrong with a configuration for a running server whose table holds `capacity` connections; nothing
// when it is good.
std::optional<std::string> exceeds(const Config& config, std::uint32_t capacity);

// Grows this process's table to `count` at once, within the limit in force. execve(2) leaves a process with
// one that is only as large as what is open. False, with errno, when there is no descriptor or memory for it.
bool grow_descriptor_table(std::uint32_t count);

}  // namespace baton
