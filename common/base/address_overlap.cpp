#include "common/base/address_overlap.h"

#include <netinet/in.h>
#include <sys/stat.h>

#include <cstring>
#include <filesystem>
#include <system_error>

namespace baton {
namespace {

template <typename Specific>
Specific as(const Address& address) {
  Specific specific{};
  std::memcpy(&specific, address.data(), sizeof specific);
  return specific;
}

// The path with its folders' links resolved; the socket itself need not exist.
std::filesystem::path canonical(const Address& address) {
  const std::filesystem::path path(address.unix_path());
  std::error_code ignored;
  return std::filesystem::weakly_canonical(path.parent_path(), ignored) / path.filename();
}

}  // namespace

std::uint16_t port_of(const Address& address) {
  switch (address.family()) {
    case AF_INET: return ntohs(as<sockaddr_in>(address).sin_port);
    case AF_INET6: return ntohs(as<sockaddr_in6>(address).sin6_port);
    default: return 0;
  }
}

bool is_any(const Address& address) {
  if (address.family() == AF_INET) return as<sockaddr_in>(address).sin_addr.s_addr == INADDR_ANY;
  const auto specific = as<sockaddr_in6>(address);
  return address.family() == AF_INET6 && IN6_IS_ADDR_UNSPECIFIED(&specific.sin6_addr);
}

bool is_mapped_ipv4(const Address& address) {
  const auto specific = as<sockaddr_in6>(address);
  return address.family() == AF_INET6 && IN6_IS_ADDR_V4MAPPED(&specific.sin6_addr);
}

bool same_address(const Address& a, const Address& b) {
  if (a.is_unix() && b.is_unix()) return canonical(a) == canonical(b);
  return a.family() == b.family() && a.to_string() == b.to_string();
}

bool covers(const Address& wide, const Address& narrow) {
  return is_any(wide) && !is_any(narrow) && wide.family() == narrow.family() && port_of(wide) != 0 &&
         port_of(wide) == port_of(narrow);
}

std::string obstacle_at(const std::string& path) {
  struct stat status {};
  if (::lstat(path.c_str(), &status) != 0) return "";
  switch (status.st_mode & S_IFMT) {
    case S_IFSOCK: return "";
    case S_IFREG: return "a regular file";
    case S_IFDIR: return "a folder";
    case S_IFLNK: return "a symbolic link";
    case S_IFIFO: return "a FIFO";
    default: return "a device";
  }
}

}  // namespace baton
