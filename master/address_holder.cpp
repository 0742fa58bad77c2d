#include "master/address_holder.h"

#include <dirent.h>
#include <linux/inet_diag.h>
#include <linux/netlink.h>
#include <linux/sock_diag.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <memory>
#include <optional>
#include <string_view>

#include "common/base/address_overlap.h"
#include "common/base/printable.h"
#include "common/base/unique_fd.h"

namespace baton {

namespace {

constexpr const char* kRemedy = ": stop it or choose another address";

struct DirectoryCloser {
  void operator()(DIR* directory) const { ::closedir(directory); }
};
using Directory = std::unique_ptr<DIR, DirectoryCloser>;

struct Found {
  std::uint32_t inode = 0;
  uid_t user = 0;
  bool listens = false;
};

bool in_the_way(const inet_diag_msg& socket, const Address& address) {
  if (ntohs(socket.id.idiag_sport) != port_of(address)) return false;
  const std::array<std::uint32_t, 4> any{};
  const bool four = socket.idiag_family == AF_INET;
  const std::size_t bytes = four ? 4 : 16;
  if (std::memcmp(socket.id.idiag_src, any.data(), bytes) == 0) return true;  // "[::]" may take IPv4 as well
  if (socket.idiag_family != address.family()) return false;
  if (is_any(address)) return true;
  const auto* const at = reinterpret_cast<const std::uint8_t*>(address.data()) +
                         (four ? offsetof(sockaddr_in, sin_addr) : offsetof(sockaddr_in6, sin6_addr));
  return std::memcmp(socket.id.idiag_src, at, bytes) == 0;
}

// Looks through one family's sockets in these states (bits 1 << TCP_...), with sock_diag(7).
std::optional<Found> find_socket(const Address& address, const std::vector<ino_t>& own, int family,
                                 std::uint32_t states) {
  struct {
    nlmsghdr header{};
    inet_diag_req_v2 request{};
  } question;
  question.header.nlmsg_len = sizeof question;
  question.header.nlmsg_type = SOCK_DIAG_BY_FAMILY;
  question.header.nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
  question.request.sdiag_family = static_cast<std::uint8_t>(family);
  question.request.sdiag_protocol = IPPROTO_TCP;
  question.request.idiag_states = states;
  const UniqueFd netlink(::socket(AF_NETLINK, SOCK_DGRAM | SOCK_CLOEXEC, NETLINK_SOCK_DIAG));
  if (!netlink || ::send(netlink.get(), &question, sizeof question, 0) < 0) return std::nullopt;
  alignas(nlmsghdr) std::array<char, 32768> answer{};
  for (;;) {
    // The kernel writes the next part when we take the last one, so this never has to wait.
    auto left = static_cast<int>(::recv(netlink.get(), answer.data(), answer.size(), MSG_DONTWAIT));
    if (left <= 0) return std::nullopt;
    for (auto* header = reinterpret_cast<nlmsghdr*>(answer.data());
         NLMSG_OK(header, static_cast<unsigned>(left)); header = NLMSG_NEXT(header, left)) {
      if (header->nlmsg_type != SOCK_DIAG_BY_FAMILY) return std::nullopt;
      const auto& socket = *reinterpret_cast<const inet_diag_msg*>(header + 1);
      if (in_the_way(socket, address) && std::find(own.begin(), own.end(), socket.idiag_inode) == own.end())
        return Found{socket.idiag_inode, socket.idiag_uid, socket.idiag_state == TCP_LISTEN};
    }
  }
}

std::optional<Found> find_socket(const Address& address, const std::vector<ino_t>& own) {
  const int other = address.family() == AF_INET ? AF_INET6 : AF_INET;
  for (const std::uint32_t states : {1U << TCP_LISTEN, ~(1U << TCP_LISTEN)}) {
    for (const int family : {address.family(), other}) {
      if (const auto found = find_socket(address, own, family, states)) return found;
    }
  }
  return std::nullopt;
}

bool has_descriptor(const std::string& process, const std::string& target) {
  const std::string folder = "/proc/" + process + "/fd";
  const Directory descriptors(::opendir(folder.c_str()));
  if (!descriptors) return false;
  while (const dirent* entry = ::readdir(descriptors.get())) {
    std::array<char, 64> link{};
    const ssize_t length = ::readlinkat(::dirfd(descriptors.get()), entry->d_name, link.data(), link.size());
    if (length > 0 && std::string_view(link.data(), static_cast<std::size_t>(length)) == target) return true;
  }
  return false;
}

// Returns the first process that has the socket: of a server's processes that is the master. Empty: there is
// none that we may look into.
std::string process_with(std::uint32_t inode) {
  const std::string target = "socket:[" + std::to_string(inode) + "]";
  const Directory processes(::opendir("/proc"));
  while (const dirent* entry = processes ? ::readdir(processes.get()) : nullptr) {
    if (std::isdigit(static_cast<unsigned char>(entry->d_name[0])) == 0) continue;
    if (has_descriptor(entry->d_name, target)) return entry->d_name;
  }
  return "";
}

std::string describe(const std::string& process) {
  std::ifstream file("/proc/" + process + "/comm");
  std::string name;
  std::getline(file, name);
  return (name.empty() ? "a program" : printable(name)) + " (pid " + process + ")";
}

std::string tcp_holder(const Address& address, const std::vector<ino_t>& own) {
  const auto found = find_socket(address, own);
  if (!found) return std::string("another program listens there") + kRemedy;
  const char* const doing = found->listens ? " listens there" : " has a connection from that port";
  const std::string process = found->inode != 0 ? process_with(found->inode) : "";
  if (!process.empty()) return describe(process) + doing + kRemedy;
  return "another program, of the user with id " + std::to_string(found->user) + "," + doing + kRemedy;
}

std::string unix_holder(const Address& address) {
  const std::string path = address.unix_path();
  if (const std::string obstacle = obstacle_at(path); !obstacle.empty())
    return path + " is " + obstacle + ", not a socket: remove it or choose another path";
  const UniqueFd probe(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (::connect(probe.get(), address.data(), address.size()) != 0) {
    // EAGAIN: its backlog is full.
    if (errno == ECONNREFUSED) return "a socket is left there that cannot be removed: remove it";
    return std::string("another program listens there") + kRemedy;
  }
  ucred peer{};
  socklen_t size = sizeof peer;
  ::getsockopt(probe.get(), SOL_SOCKET, SO_PEERCRED, &peer, &size);
  if (peer.pid <= 0) return std::string("another program listens there") + kRemedy;
  return describe(std::to_string(peer.pid)) + " listens there" + kRemedy;
}

}  // namespace

std::string holder_of(const Address& address, const std::vector<int>& own) {
  if (address.is_unix()) return unix_holder(address);
  std::vector<ino_t> inodes;
  for (const int fd : own) {
    struct stat status {};
    if (::fstat(fd, &status) == 0) inodes.push_back(status.st_ino);
  }
  return tcp_holder(address, inodes);
}

}  // namespace baton
