// Opens the files that logs are written to.
#pragma once

#include <string>

#include "common/base/unique_fd.h"

namespace baton {

// Opens `path` for appending, creating it with mode 0640, and never waits. It may be a regular file, a FIFO
// that has a reader, a terminal, or a device like /dev/null, but nothing that another user has planted
// (common/base/own_file.h). /dev/stdout and the like mean those streams, whatever kind of file they are.
// Throws std::runtime_error that names the path and the reason.
UniqueFd open_log_file(const std::string& path);

// A descriptor above 2 for a log on standard output or error (`fd`: 1 or 2). For a pipe or a terminal it
// refers to an open file of its own where possible, so that its O_NONBLOCK affects no other process. Throws
// std::runtime_error.
UniqueFd open_standard_log(int fd);

// Makes `fd` refer to the open file of `fresh`, for all processes at once, because they share one
// descriptor table. dup3(2) is atomic, so no line is lost. Throws std::runtime_error.
void replace_log(int fd, const UniqueFd& fresh);

// Whether `fd` is a regular file whose last line has no newline.
bool ends_in_torn_line(int fd);

}  // namespace baton
