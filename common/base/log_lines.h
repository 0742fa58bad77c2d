// Writes lines to a log without ever waiting for the log's reader.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace baton {

// What became of the lines of one log that could not be written. In shared memory, because all processes
// write to the same file. The process that loses a line counts it, and the master reports it
// (master/log_watch.h).
struct LogLosses {
  std::atomic<std::uint64_t> lines{0};  // dropped since the server was started
  // Of the dropped lines, how many the error log has reported. Only the master writes it.
  std::atomic<std::uint64_t> told{0};
  std::atomic<std::int32_t> error{0};  // errno of the last drop
  // The descriptor of the file whose last line is torn, or -1. The next writer ends that line first. A
  // process that writes between the tear and this note finds no line to end; for that, a full disk would
  // have to have room again in that very moment.
  std::atomic<std::int32_t> torn_fd{-1};
};

// Writes `lines`, each with its newline. Returns how many were dropped, and counts them in `losses`. It
// never waits: it drops lines for a pipe, a terminal or a socket that does not take them now, and lines for
// a full disk. Only a write to a regular file may take as long as it needs. Lines of up to PIPE_BUF bytes
// go into a pipe whole or not at all. The process must ignore SIGPIPE.
//
// `fd` should have O_NONBLOCK (open_log_file, open_standard_log). The flag belongs to the open file, so it
// is not set where the process that started this one may write to the same open file. There each write asks
// the kernel not to wait (Linux 6.4 for pipes); on older kernels poll(2) is asked first, and another writer
// can make its answer wrong.
std::size_t write_lines(int fd, std::string_view lines, LogLosses& losses);

// The same for one line that is not counted when it cannot be written. Returns whether it was written.
bool try_line(int fd, std::string_view line, LogLosses& losses);

// Why lines were dropped, for people. `error`: LogLosses::error.
std::string describe_loss(int error);

}  // namespace baton
