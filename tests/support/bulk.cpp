#include "tests/support/bulk.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <random>
#include <stdexcept>

#include "tests/support/wait.h"

namespace baton::test {

namespace {

// A prime: a byte that is missing or doubled moves all bytes behind it to places where they do not fit.
constexpr std::size_t kPeriod = 65'521;
constexpr int kNarrowBytes = 16 * 1024;
constexpr std::uint64_t kReadBytes = std::uint64_t{64} * 1024;

const std::string& pattern() {
  static const std::string bytes = [] {
    std::mt19937 random(1);  // the same bytes in every run
    std::string made(kPeriod, '\0');
    std::generate(made.begin(), made.end(), [&random] { return static_cast<char>(random()); });
    return made;
  }();
  return bytes;
}

}  // namespace

std::string write_pattern(const TempDir& folder, const std::string& name, std::uint64_t size) {
  std::string path = folder.write(name, "");
  std::ofstream file(path, std::ios::binary);
  for (std::uint64_t written = 0; written < size; written += kPeriod) {
    file.write(pattern().data(),
               static_cast<std::streamsize>(std::min<std::uint64_t>(kPeriod, size - written)));
  }
  if (!file.flush()) throw std::runtime_error("cannot write " + path);
  return path;
}

bool matches_pattern(std::string_view bytes, std::uint64_t offset) {
  while (!bytes.empty()) {
    const auto at = static_cast<std::size_t>(offset % kPeriod);
    const std::size_t n = std::min(bytes.size(), kPeriod - at);
    if (bytes.substr(0, n) != std::string_view(pattern()).substr(at, n)) return false;
    bytes.remove_prefix(n);
    offset += n;
  }
  return true;
}

Client connect_narrow(std::uint16_t port, int segment_bytes, const std::string& host) {
  UniqueFd socket(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  ::setsockopt(socket.get(), SOL_SOCKET, SO_RCVBUF, &kNarrowBytes, sizeof kNarrowBytes);
  if (segment_bytes > 0)
    ::setsockopt(socket.get(), IPPROTO_TCP, TCP_MAXSEG, &segment_bytes, sizeof segment_bytes);
  const timeval patience{std::chrono::seconds(kPatience).count(), 0};
  ::setsockopt(socket.get(), SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  ::inet_pton(AF_INET, host.c_str(), &address.sin_addr);
  if (::connect(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
    throw std::runtime_error(std::string("connect: ") + std::strerror(errno));
  }
  return Client(std::move(socket));
}

Download::Download(std::uint16_t port, const std::string& target, std::uint64_t size)
    : client_(connect_narrow(port)), size_(size) {
  client_.send("GET " + target + " HTTP/1.1\r\nHost: localhost\r\n\r\n");
  while (!head_.ends_with("\r\n\r\n")) {
    const std::string byte = client_.read_bytes(1);
    if (byte.empty())
      throw std::runtime_error("the connection ended inside a response head: '" + head_ + "'");
    head_ += byte;
  }
  if (!head_.starts_with("HTTP/1.1 200 ")) throw std::runtime_error("not a download: " + head_);
}

bool Download::read(std::uint64_t n) {
  for (std::uint64_t left = std::min(n, size_ - received_); left > 0;) {
    const std::string bytes = client_.read_bytes(static_cast<std::size_t>(std::min(left, kReadBytes)));
    if (bytes.empty()) return false;
    exact_ = exact_ && matches_pattern(bytes, received_);
    received_ += bytes.size();
    left -= bytes.size();
  }
  return true;
}

}  // namespace baton::test
