// The one descriptor table: how large it must be. It is grown before any worker shares it.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "common/config/config.h"

namespace baton {

// The most descriptors that one connection holds: its socket, and the file and the script of a parked
// response of several ranges.
constexpr std::uint32_t kMostPerConnection = 3;
// Listeners, logs, roots, those of a second generation, and what workers have in hand.
constexpr std::uint32_t kServerDescriptors = 512;

// Raises RLIMIT_NOFILE for `max_connections` and grows the table to that limit at once: growing it later,
// when it is shared, stalls every process for up to 24 ms. Returns the new limit: in every process, all
// descriptor numbers are below it.
//
// The limit covers the most descriptors that all connections may hold, those of the open-file table, and
// those of the server itself. Where the hard limit forbids that, one descriptor for each connection is enough
// to start: then cached files give way (common/shared/descriptor_room.h), and only as many responses can be
// parked at once as there are descriptors left. Throws std::runtime_error that names the limit and the remedy
// if the hard limit is too low even for that.
std::uint32_t size_descriptor_table(std::uint32_t max_connections);

// Checks a configuration for a running server whose table holds `capacity` connections. Returns what is
// wrong with it, or nothing.
std::optional<std::string> exceeds(const Config& config, std::uint32_t capacity);

// Grows this process's table to `count` at once, within the limit in force. This is needed after execve(2),
// which leaves a table only as large as the open descriptors need. Returns false, with errno, if no
// descriptor or memory is left for it.
bool grow_descriptor_table(std::uint32_t count);

}  // namespace baton
