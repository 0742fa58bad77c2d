// Opening what logs are written to.
#pragma once

#include <string>

#include "common/base/unique_fd.h"

namespace baton {

// Opens `path` for appending (created with mode 0640), without waiting for anybody. It may be a regular file,
// a FIFO that somebody reads, a terminal, or /dev/null and its like; nothing that another user has planted
// (common/base/own_file.h). /dev/stdout and its like are those streams, whatever they are. Throws
// std::runtime_error that names the path and the reason.
UniqueFd open_log_file(const std::string& path);

// A descriptor for the log on standard output or error (`fd`: 1 or 2), above 2. For a pipe or a terminal it
// is an open file of its own where that can be, so that its O_NONBLOCK is nobody else's. Throws
// std::runtime_error.
UniqueFd open_standard_log(int fd);

// Puts what `fresh` is in the place of `fd`, for all processes at once, because they share one descriptor
// table (dup3 is atomic: no line is lost). Throws std::runtime_error.
void replace_log(int fd, const UniqueFd& fresh);

// Whether the file behind `fd` is a regular one that ends within a line.
bool ends_in_torn_line(int fd);

}  // namespace baton
