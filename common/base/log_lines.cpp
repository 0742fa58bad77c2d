#include "common/base/log_lines.h"

#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

namespace baton {

namespace {

enum class Kind { kFile, kStream, kPackets, kOther };

// Asked for each write, because a reload may put a file of another kind behind the descriptor.
Kind kind_of(int fd) {
  struct stat status {};
  if (::fstat(fd, &status) != 0 || S_ISREG(status.st_mode) || S_ISBLK(status.st_mode)) return Kind::kFile;
  if (!S_ISSOCK(status.st_mode)) return Kind::kOther;
  int type = 0;
  socklen_t size = sizeof type;
  ::getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &size);
  return type == SOCK_STREAM ? Kind::kStream : Kind::kPackets;
}

ssize_t write_guarded(int fd, const iovec* parts, int count) {
  if ((::fcntl(fd, F_GETFL) & O_NONBLOCK) != 0) return ::writev(fd, parts, count);
  const ssize_t written = ::pwritev2(fd, parts, count, -1, RWF_NOWAIT);
  if (written >= 0 || (errno != EOPNOTSUPP && errno != ENOSYS)) return written;
  pollfd room{fd, POLLOUT, 0};
  if (::poll(&room, 1, 0) == 1) return ::writev(fd, parts, count);
  errno = EAGAIN;
  return -1;
}

class Writer {
 public:
  Writer(int fd, LogLosses& losses) : fd_(fd), kind_(kind_of(fd)), losses_(losses) {}

  // Returns how much of `lines` was written. Sets errno if that is not all.
  std::size_t write(std::string_view lines) {
    std::size_t done = 0;
    while (done < lines.size()) {
      const ssize_t written = write_piece(piece_of(lines.substr(done)));
      if (written < 0 && errno == EINTR) continue;
      if (written < 0) break;
      done += static_cast<std::size_t>(written);
    }
    if (done > 0 && lines[done - 1] != '\n') losses_.torn_fd.store(fd_, std::memory_order_relaxed);
    return done;
  }

 private:
  // What to write at a time. To a file everything, to a packet socket one line, to a pipe or a stream socket
  // as many whole lines as a pipe takes in one piece.
  [[nodiscard]] std::string_view piece_of(std::string_view rest) const {
    if (kind_ == Kind::kFile) return rest;
    std::size_t end =
        kind_ == Kind::kPackets ? std::string_view::npos : rest.substr(0, PIPE_BUF - 1).rfind('\n');
    if (end == std::string_view::npos) end = rest.find('\n');
    return rest.substr(0, end == std::string_view::npos ? rest.size() : end + 1);
  }

  // Like write(2), but first ends a line that was left torn.
  ssize_t write_piece(std::string_view piece) {
    std::int32_t torn = fd_;
    const bool end_line = losses_.torn_fd.load(std::memory_order_relaxed) == fd_ &&
                          losses_.torn_fd.compare_exchange_strong(torn, -1, std::memory_order_relaxed);
    char newline = '\n';
    iovec parts[2] = {{&newline, 1}, {const_cast<char*>(piece.data()), piece.size()}};
    const ssize_t written = end_line ? write_parts(parts, 2) : write_parts(parts + 1, 1);
    if (!end_line) {
      if (written == 0) errno = EIO;
      return written == 0 ? -1 : written;
    }
    if (written <= 0) losses_.torn_fd.store(fd_, std::memory_order_relaxed);
    return written <= 0 ? -1 : written - 1;
  }

  ssize_t write_parts(iovec* parts, int count) const {
    if (kind_ == Kind::kFile) return ::writev(fd_, parts, count);
    if (kind_ == Kind::kOther) return write_guarded(fd_, parts, count);
    msghdr message{};
    message.msg_iov = parts;
    message.msg_iovlen = static_cast<std::size_t>(count);
    return ::sendmsg(fd_, &message, MSG_DONTWAIT | MSG_NOSIGNAL);
  }

  int fd_;
  Kind kind_;
  LogLosses& losses_;
};

}  // namespace

std::size_t write_lines(int fd, std::string_view lines, LogLosses& losses) {
  const std::size_t done = Writer(fd, losses).write(lines);
  if (done == lines.size()) return 0;
  const int error = errno;
  const auto lost = static_cast<std::size_t>(
      std::count(lines.begin() + static_cast<std::ptrdiff_t>(done), lines.end(), '\n'));
  losses.error.store(error, std::memory_order_relaxed);
  losses.lines.fetch_add(lost, std::memory_order_relaxed);
  return lost;
}

bool try_line(int fd, std::string_view line, LogLosses& losses) {
  return Writer(fd, losses).write(line) == line.size();
}

std::string describe_loss(int error) {
  if (error == EAGAIN) return "whoever reads it does not keep up";
  if (error == EPIPE) return "nobody reads it any more";
  return std::strerror(error);
}

}  // namespace baton
