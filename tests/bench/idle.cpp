// Opens connections to a server, makes one request on each, and holds them idle until its standard input
// ends.
//   bench_idle PORT COUNT      prints "ready" once all are idle
#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <string_view>
#include <vector>

#include "common/base/unique_fd.h"

namespace {

bool ask_once(int fd) {
  constexpr std::string_view kRequest = "GET /1k.bin HTTP/1.1\r\nHost: localhost\r\n\r\n";
  char answer[4096];
  return ::send(fd, kRequest.data(), kRequest.size(), MSG_NOSIGNAL) ==
             static_cast<ssize_t>(kRequest.size()) &&
         ::recv(fd, answer, sizeof answer, 0) > 0;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 3) {
    std::fprintf(stderr, "usage: %s PORT COUNT\n", argv[0]);
    return 2;
  }
  rlimit limit{};
  ::getrlimit(RLIMIT_NOFILE, &limit);
  limit.rlim_cur = limit.rlim_max;
  ::setrlimit(RLIMIT_NOFILE, &limit);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<std::uint16_t>(std::atoi(argv[1])));
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  std::vector<baton::UniqueFd> connections;
  for (int i = 0; i < std::atoi(argv[2]); ++i) {
    baton::UniqueFd fd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    if (!fd || ::connect(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0 ||
        !ask_once(fd.get())) {
      std::perror("connection");
      return 1;
    }
    connections.push_back(std::move(fd));
  }
  std::puts("ready");
  std::fflush(stdout);
  char byte = 0;
  while (::read(STDIN_FILENO, &byte, 1) > 0) {
  }
  return 0;
}
