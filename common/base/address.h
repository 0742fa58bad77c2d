// Socket addresses to listen on, peers that connected, and networks to allow or deny.
#pragma once

#include <sys/socket.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace baton {

// A local address to listen on: IPv4, IPv6 or a Unix socket path.
class Address {
 public:
  // Accepts "127.0.0.1:8080", "[::]:80", "*:80" (any IPv4) and "unix:/run/x.sock". With port 0 the kernel
  // chooses a port. A Unix path must fit sun_path (107 bytes). Returns nothing for anything else, and then
  // sets `*why`, when given, to what was expected.
  static std::optional<Address> parse(std::string_view text, std::string* why = nullptr);
  // The address that `fd` is bound to (getsockname), so that a port 0 shows its real number. When `fd` is
  // not a socket, the address has no family and to_string() is empty.
  static Address of_socket(int fd);

  [[nodiscard]] std::string to_string() const;  // the form that parse() reads
  [[nodiscard]] int family() const { return storage_.ss_family; }
  [[nodiscard]] bool is_unix() const { return family() == AF_UNIX; }
  [[nodiscard]] std::string unix_path() const;  // empty unless is_unix()
  [[nodiscard]] const sockaddr* data() const { return reinterpret_cast<const sockaddr*>(&storage_); }
  [[nodiscard]] socklen_t size() const { return size_; }

 private:
  sockaddr_storage storage_{};
  socklen_t size_ = 0;
};

// The other end of a connection. Trivially copyable: it lives in shared memory.
struct Peer {
  enum class Kind : std::uint8_t { kUnix = 0, kIpv4 = 4, kIpv6 = 6 };

  std::array<std::uint8_t, 16> ip{};  // network order; IPv4 in the IPv4-mapped form ::ffff:a.b.c.d
  std::uint16_t port = 0;             // host order; 0 for a Unix socket
  Kind kind = Kind::kUnix;
  std::uint8_t reserved = 0;

  static Peer from_sockaddr(const sockaddr_storage& address);  // an IPv4-mapped IPv6 peer becomes kIpv4

  // Both write into `out`, which must hold at least kTextBytes, and return what they wrote. They return
  // nothing when `out` is smaller.
  static constexpr std::size_t kTextBytes = 48;
  std::string_view format_ip(std::span<char> out) const;    // "127.0.0.1", "::1", "unix:"
  std::string_view format_full(std::span<char> out) const;  // "127.0.0.1:4711", "[::1]:4711", "unix:"
};

// An IPv4 or IPv6 network ("10.0.0.0/8", "2001:db8::/32", a single address), or "unix" for peers on Unix
// sockets. Bits past the prefix are ignored. An IPv6 network wider than /96 never contains an IPv4 peer:
// "::/0" means all of IPv6 and nothing else.
class Network {
 public:
  static std::optional<Network> parse(std::string_view text);
  [[nodiscard]] bool contains(const Peer& peer) const;

 private:
  std::array<std::uint8_t, 16> ip_{};
  std::uint8_t prefix_bits_ = 0;  // counted in the 128 bits of the mapped form
  bool unix_ = false;
};

}  // namespace baton
