#include "tests/epoll/sockets.h"

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <linux/sockios.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include <array>
#include <cerrno>

#include "tests/epoll/processes.h"

namespace baton::facts {
namespace {

// The state is read first, then the socket's lock is taken for the counters: the change that we see is
// complete.
bool reaches_state(int fd, std::uint8_t state) {
  return eventually([&] {
    tcp_info info{};
    socklen_t size = sizeof info;
    return ::getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &size) == 0 && info.tcpi_state == state;
  });
}

int query(int fd, unsigned long request) {
  int value = -1;
  return ::ioctl(fd, request, &value) == 0 ? value : -1;
}

}  // namespace

UniqueFd listen_on_loopback() {
  UniqueFd fd(::socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  EXPECT_EQ(::bind(fd.get(), reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
  EXPECT_EQ(::listen(fd.get(), 128), 0);
  return fd;
}

UniqueFd connect_to(int listener) {
  sockaddr_in address{};
  socklen_t size = sizeof address;
  EXPECT_EQ(::getsockname(listener, reinterpret_cast<sockaddr*>(&address), &size), 0);
  UniqueFd fd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  EXPECT_EQ(::connect(fd.get(), reinterpret_cast<sockaddr*>(&address), size), 0);
  const int on = 1;
  EXPECT_EQ(::setsockopt(fd.get(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on), 0);
  return fd;
}

Connection::Connection() {
  const UniqueFd listener = listen_on_loopback();
  client = connect_to(listener.get());
  EXPECT_TRUE(eventually([&] {
    server.reset(::accept4(listener.get(), nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC));
    return static_cast<bool>(server);
  }));
}

bool say(int fd, std::string_view bytes) {
  return ::send(fd, bytes.data(), bytes.size(), MSG_NOSIGNAL) == static_cast<ssize_t>(bytes.size());
}

int unread(int fd) {
  return query(fd, SIOCINQ);
}
int unacknowledged(int fd) {
  return query(fd, SIOCOUTQ);
}

bool arrived(int fd, int bytes) {
  return eventually([&] { return unread(fd) == bytes; });
}

bool fin_arrived(int fd) {
  return reaches_state(fd, TCP_CLOSE_WAIT);
}
bool reset_arrived(int fd) {
  return reaches_state(fd, TCP_CLOSE);
}

std::int64_t consume(int fd, std::size_t bytes) {
  const ssize_t count = ::recv(fd, nullptr, bytes, MSG_TRUNC | MSG_DONTWAIT);
  return count >= 0 ? count : -errno;
}

std::int64_t fill(int fd) {
  static constexpr std::array<char, 65536> kZeros{};
  std::int64_t total = 0;
  for (ssize_t count = 0;
       (count = ::send(fd, kZeros.data(), kZeros.size(), MSG_DONTWAIT | MSG_NOSIGNAL)) > 0;) {
    total += count;
  }
  return total;
}

}  // namespace baton::facts
