#include "tests/epoll/tcp_counts.h"

#include <gtest/gtest.h>
#include <linux/tcp.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include "tests/epoll/processes.h"
#include "tests/epoll/sockets.h"

namespace baton::facts {
namespace {

tcp_info info_of(int fd) {
  tcp_info info{};
  socklen_t size = sizeof info;
  EXPECT_EQ(::getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &size), 0);
  return info;
}

}  // namespace

std::uint64_t raw_bytes_written(int fd) {
  std::uint64_t total = 0;
  EXPECT_TRUE(eventually([&] {
    const int before = unacknowledged(fd);
    total = info_of(fd).tcpi_bytes_acked + static_cast<std::uint64_t>(before);
    return unacknowledged(fd) == before;
  }));
  return total;
}

std::uint64_t raw_bytes_consumed(int fd) {
  std::uint64_t total = 0;
  EXPECT_TRUE(eventually([&] {
    const int before = unread(fd);
    total = info_of(fd).tcpi_bytes_received - static_cast<std::uint64_t>(before);
    return unread(fd) == before;
  }));
  return total;
}

}  // namespace baton::facts
