// The server's own log, and the descriptors of both logs.
#pragma once

#include <string>

#include "common/unique_fd.h"

namespace baton {

// Opens `path` for appending (created with mode 0640). Throws std::runtime_error that names the path and the
// reason.
UniqueFd open_log_file(const std::string& path);

// Points spdlog's default logger at `fd`, one write(2) per message, in this process and those cloned from it.
// Synchronous on purpose: a logging thread would not survive clone(2). `fd` is borrowed and stays the same
// number for ever: reopen_log() replaces the file behind it for all processes at once, because they share one
// descriptor table.
void install_logger(int fd, const std::string& level);

// Names this process in each line from now on: "master", "worker 2".
void set_log_identity(const std::string& identity);

// Opens `path` anew and puts it in place of `fd` (dup3 is atomic: no line is lost). Throws like
// open_log_file().
void reopen_log(int fd, const std::string& path);

}  // namespace baton
