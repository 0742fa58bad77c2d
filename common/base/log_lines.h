// Writing lines to a log without ever waiting for whoever reads it.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace baton {

// What became of the lines of one log that could not be written. In shared memory: all processes write to the
// same file. Whoever loses a line counts it; the master tells of it (master/log_watch.h).
struct LogLosses {
  std::atomic<std::uint64_t> lines{0};  // dropped, since the server was started
  std::atomic<std::uint64_t> told{0};   // of them: what the error log says. By the master alone
  std::atomic<std::int32_t> error{0};   // errno of the last that was dropped
  // The descriptor of the file whose last line is not whole, -1 if none: who writes next ends that line
  // first. A process that writes between the two finds no line to end. The disk that was full would have to
  // have room again in that very moment.
  std::atomic<std::int32_t> torn_fd{-1};
};

// Writes `lines`, each with its newline, and returns how many of them were dropped, which it also counts.
// Never waits: lines for a pipe, a terminal or a socket that does not take them now are dropped, as those for
// a full disk are. Only a regular file is written to however long it takes. Lines of up to PIPE_BUF bytes go
// into a pipe whole or not at all. Sends no SIGPIPE but where the process has it to receive: ignore it.
//
// A descriptor with O_NONBLOCK is best (open_log_file, open_standard_log). The flag belongs to all who have
// the same open file, so it is not set on what whoever started us may write to as well: there the kernel is
// asked for each write not to wait (Linux 6.4 for pipes), and else poll(2), which another writer can make
// wrong.
std::size_t write_lines(int fd, std::string_view lines, LogLosses& losses);

// The same for one line that is not to be counted when it cannot be written. Returns whether it was.
bool try_line(int fd, std::string_view line, LogLosses& losses);

// Why lines were dropped, for people: LogLosses::error.
std::string describe_loss(int error);

}  // namespace baton
