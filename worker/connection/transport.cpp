#include "worker/connection/transport.h"

#include <linux/sockios.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/sendfile.h>
#include <sys/socket.h>

#include <algorithm>

#include "common/base/crash_point.h"

namespace baton {

bool Transport::counted() const {
  switch (slot_.socket) {
    case SocketKind::kTcp: return true;
    case SocketKind::kUnix: break;
  }
  return false;
}

// The poll of a Unix socket ignores the mark (unix_poll() in the kernel).
bool Transport::has_low_water() const {
  return counted();
}

void Transport::begin_move() const {
  if (!counted()) slot_.set(SlotFlags::kUncertain);
}

ssize_t Transport::peek(char* to, std::size_t most) const {
  return ::recv(fd_, to, most, MSG_PEEK | MSG_DONTWAIT);
}

ssize_t Transport::send(std::string_view bytes, bool more) const {
  begin_move();
  return ::send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL | MSG_DONTWAIT | (more ? MSG_MORE : 0));
}

ssize_t Transport::send_file(int file, off_t& offset, std::size_t most) const {
  begin_move();
  return ::sendfile(fd_, file, &offset, most);
}

ssize_t Transport::consume_some(std::size_t most) const {
  switch (slot_.socket) {
    case SocketKind::kTcp: return ::recv(fd_, nullptr, most, MSG_TRUNC | MSG_DONTWAIT);
    case SocketKind::kUnix: break;  // only TCP discards by MSG_TRUNC (tcp(7)): bytes need a buffer
  }
  char scratch[16 * 1024];
  begin_move();
  return ::recv(fd_, scratch, std::min(most, sizeof scratch), MSG_DONTWAIT);
}

bool Transport::consume(std::uint64_t n) const {
  begin_move();
  while (n > 0) {
    const ssize_t got = consume_some(n);
    if (got <= 0) return false;
    crash_point("mid-consume");
    n -= static_cast<std::uint64_t>(got);
  }
  return true;
}

std::optional<StreamCounts> Transport::counts() const {
  return counted() ? stream_counts(fd_) : std::nullopt;
}

std::uint32_t Transport::unread() const {
  int bytes = 0;
  return ::ioctl(fd_, FIONREAD, &bytes) == 0 && bytes > 0 ? static_cast<std::uint32_t>(bytes) : 0;
}

int Transport::queued() const {
  int bytes = 0;
  return ::ioctl(fd_, SIOCOUTQ, &bytes) == 0 ? bytes : 0;
}

bool Transport::hung_up() const {
  pollfd socket{fd_, POLLRDHUP, 0};
  return ::poll(&socket, 1, 0) > 0;
}

bool Transport::wake_at(std::size_t bytes) const {
  const int mark = static_cast<int>(bytes);
  return ::setsockopt(fd_, SOL_SOCKET, SO_RCVLOWAT, &mark, sizeof mark) == 0;
}

bool Transport::await_writable(int timeout_ms) const {
  pollfd socket{fd_, POLLOUT, 0};
  return ::poll(&socket, 1, timeout_ms) > 0;
}

void Transport::end_stream() const {
  ::shutdown(fd_, SHUT_WR);
}

void Transport::cut() const {
  ::shutdown(fd_, SHUT_RDWR);
}

}  // namespace baton
