#include "common/base/address.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/un.h>

#include <algorithm>
#include <bit>
#include <charconv>
#include <cstddef>
#include <cstring>

namespace baton {
namespace {

constexpr std::string_view kExpected = "expected 127.0.0.1:8080, [::1]:8080, *:8080 or unix:/run/baton.sock";
constexpr std::array<std::uint8_t, 12> kMappedPrefix{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
constexpr unsigned kMappedBits = 96;

std::nullopt_t refuse(std::string* why, std::string_view what) {
  if (why != nullptr) *why = std::string{what} + "; " + std::string{kExpected};
  return std::nullopt;
}

// Accepts decimal digits only: no sign, no white space, no empty text.
std::optional<unsigned> parse_number(std::string_view text, unsigned max) {
  unsigned value = 0;
  const char* end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data(), end, value);
  if (error != std::errc{} || stop != end || value > max) return std::nullopt;
  return value;
}

// Copies `text`, because inet_pton wants a terminated string and `text` may come from the middle of one.
template <typename Binary>
bool parse_ip(int family, std::string_view text, Binary& out) {
  std::array<char, INET6_ADDRSTRLEN> copy{};
  if (text.size() >= copy.size() || text.find('\0') != std::string_view::npos) return false;
  std::ranges::copy(text, copy.begin());
  return inet_pton(family, copy.data(), &out) == 1;
}

char* put(char* out, std::string_view text) {
  return std::ranges::copy(text, out).out;
}

char* put_number(char* out, unsigned value) {
  return std::to_chars(out, out + 5, value).ptr;
}

struct SocketAddress {
  sockaddr_storage storage{};
  socklen_t size = 0;

  template <typename Specific>
  explicit SocketAddress(const Specific& address, std::size_t used = sizeof(Specific))
      : size(static_cast<socklen_t>(used)) {
    static_assert(sizeof address <= sizeof storage);
    std::memcpy(&storage, &address, sizeof address);
  }
};

std::optional<SocketAddress> parse_unix(std::string_view path, std::string* why) {
  sockaddr_un address{};
  if (path.empty()) return refuse(why, "no path after unix:");
  if (path.find('\0') != std::string_view::npos) return refuse(why, "the path contains a NUL byte");
  if (path.size() >= sizeof address.sun_path) {
    return refuse(why, "the path of a Unix socket is longer than 107 bytes");
  }
  address.sun_family = AF_UNIX;
  std::ranges::copy(path, address.sun_path);
  return SocketAddress{address, offsetof(sockaddr_un, sun_path) + path.size() + 1};
}

std::optional<SocketAddress> parse_ipv6(std::string_view host, std::uint16_t port, std::string* why) {
  sockaddr_in6 address{};
  if (!host.ends_with(']') || !parse_ip(AF_INET6, host.substr(1, host.size() - 2), address.sin6_addr)) {
    return refuse(why, "'" + std::string{host} + "' is not an IPv6 address in brackets");
  }
  address.sin6_family = AF_INET6;
  address.sin6_port = htons(port);
  return SocketAddress{address};
}

std::optional<SocketAddress> parse_ipv4(std::string_view host, std::uint16_t port, std::string* why) {
  sockaddr_in address{};  // INADDR_ANY is zero
  if (host.find(':') != std::string_view::npos) return refuse(why, "an IPv6 address is written in brackets");
  if (host.empty()) return refuse(why, "no address before the port");
  if (host != "*" && !parse_ip(AF_INET, host, address.sin_addr)) {
    return refuse(why, "'" + std::string{host} + "' is not an IP address, and names are not looked up");
  }
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  return SocketAddress{address};
}

std::optional<SocketAddress> parse_address(std::string_view text, std::string* why) {
  constexpr std::string_view kUnix = "unix:";
  if (text.starts_with(kUnix)) return parse_unix(text.substr(kUnix.size()), why);
  const std::size_t colon = text.rfind(':');
  const bool only_ipv6 = text.ends_with(']');  // "[::1]": the last colon belongs to the address
  if (colon == std::string_view::npos || only_ipv6)
    return refuse(why, "no port in '" + std::string{text} + "'");
  const auto port = parse_number(text.substr(colon + 1), 65'535);
  if (!port) return refuse(why, "the port is not a number from 0 to 65535");
  const std::string_view host = text.substr(0, colon);
  const auto number = static_cast<std::uint16_t>(*port);
  return host.starts_with('[') ? parse_ipv6(host, number, why) : parse_ipv4(host, number, why);
}

template <typename Specific>
Specific as(const sockaddr_storage& storage) {
  Specific address{};
  std::memcpy(&address, &storage, sizeof address);
  return address;
}

// Writes "a.b.c.d" from four bytes. Hand-written, because an access log formats one per request.
char* put_ipv4(char* out, const std::uint8_t* bytes) {
  for (int i = 0; i < 4; ++i) {
    if (i > 0) *out++ = '.';
    out = put_number(out, bytes[i]);
  }
  return out;
}

char* put_ipv6(char* out, const std::uint8_t* bytes) {
  inet_ntop(AF_INET6, bytes, out, INET6_ADDRSTRLEN);
  return out + std::strlen(out);
}

bool same_prefix(const std::array<std::uint8_t, 16>& a, const std::array<std::uint8_t, 16>& b,
                 unsigned bits) {
  const unsigned whole = bits / 8;
  if (!std::equal(a.begin(), a.begin() + whole, b.begin())) return false;
  const unsigned rest = bits % 8;
  return rest == 0 || ((a[whole] ^ b[whole]) >> (8 - rest)) == 0;
}

}  // namespace

std::optional<Address> Address::parse(std::string_view text, std::string* why) {
  const auto parsed = parse_address(text, why);
  if (!parsed) return std::nullopt;
  Address address;
  address.storage_ = parsed->storage;
  address.size_ = parsed->size;
  return address;
}

Address Address::of_socket(int fd) {
  Address address;
  socklen_t size = sizeof address.storage_;
  if (getsockname(fd, reinterpret_cast<sockaddr*>(&address.storage_), &size) != 0) return {};
  address.size_ = size;
  return address;
}

std::string Address::to_string() const {
  std::array<char, INET6_ADDRSTRLEN + 8> text{};
  char* end = text.data();
  switch (family()) {
    case AF_UNIX: return "unix:" + unix_path();
    case AF_INET: {
      const auto address = as<sockaddr_in>(storage_);
      const auto bytes = std::bit_cast<std::array<std::uint8_t, 4>>(address.sin_addr);
      end = put_number(put(put_ipv4(end, bytes.data()), ":"), ntohs(address.sin_port));
      break;
    }
    case AF_INET6: {
      const auto address = as<sockaddr_in6>(storage_);
      end = put_ipv6(put(end, "["), std::data(address.sin6_addr.s6_addr));
      end = put_number(put(end, "]:"), ntohs(address.sin6_port));
      break;
    }
    default: break;
  }
  return {text.data(), end};
}

std::string Address::unix_path() const {
  if (!is_unix()) return {};
  const auto address = as<sockaddr_un>(storage_);
  // An unnamed socket has only the family. The path of a named socket may lack its NUL.
  const std::size_t header = offsetof(sockaddr_un, sun_path);
  const std::size_t used =
      size_ > header ? std::min<std::size_t>(size_ - header, sizeof address.sun_path) : 0;
  return {std::data(address.sun_path), strnlen(std::data(address.sun_path), used)};
}

Peer Peer::from_sockaddr(const sockaddr_storage& storage) {
  Peer peer;
  if (storage.ss_family == AF_INET) {
    const auto address = as<sockaddr_in>(storage);
    const auto bytes = std::bit_cast<std::array<std::uint8_t, 4>>(address.sin_addr);
    std::ranges::copy(bytes, std::ranges::copy(kMappedPrefix, peer.ip.begin()).out);
    peer.port = ntohs(address.sin_port);
    peer.kind = Kind::kIpv4;
  } else if (storage.ss_family == AF_INET6) {
    const auto address = as<sockaddr_in6>(storage);
    std::ranges::copy(address.sin6_addr.s6_addr, peer.ip.begin());
    peer.port = ntohs(address.sin6_port);
    peer.kind = IN6_IS_ADDR_V4MAPPED(&address.sin6_addr) ? Kind::kIpv4 : Kind::kIpv6;
  }
  return peer;
}

std::string_view Peer::format_ip(std::span<char> out) const {
  if (out.size() < kTextBytes) return {};
  char* end = out.data();
  switch (kind) {
    case Kind::kIpv4: end = put_ipv4(end, ip.data() + kMappedPrefix.size()); break;
    case Kind::kIpv6: end = put_ipv6(end, ip.data()); break;
    case Kind::kUnix: end = put(end, "unix:"); break;
  }
  return {out.data(), end};
}

std::string_view Peer::format_full(std::span<char> out) const {
  if (out.size() < kTextBytes) return {};
  if (kind == Kind::kUnix) return format_ip(out);
  char* end = out.data();
  if (kind == Kind::kIpv4) {
    end = put(put_ipv4(end, ip.data() + kMappedPrefix.size()), ":");
  } else {
    end = put(put_ipv6(put(end, "["), ip.data()), "]:");
  }
  return {out.data(), put_number(end, port)};
}

std::optional<Network> Network::parse(std::string_view text) {
  Network network;
  if (text == "unix") {
    network.unix_ = true;
    return network;
  }
  const std::size_t slash = text.find('/');
  const std::string_view ip = text.substr(0, slash);
  std::array<std::uint8_t, 4> ipv4{};
  const bool is_ipv4 = parse_ip(AF_INET, ip, ipv4);
  if (is_ipv4) {
    std::ranges::copy(ipv4, std::ranges::copy(kMappedPrefix, network.ip_.begin()).out);
  } else if (!parse_ip(AF_INET6, ip, network.ip_)) {
    return std::nullopt;
  }
  const unsigned width = is_ipv4 ? 32 : 128;
  const auto bits = slash == std::string_view::npos ? width : parse_number(text.substr(slash + 1), width);
  if (!bits) return std::nullopt;
  network.prefix_bits_ = static_cast<std::uint8_t>(*bits + (is_ipv4 ? kMappedBits : 0));
  return network;
}

bool Network::contains(const Peer& peer) const {
  if (unix_ || peer.kind == Peer::Kind::kUnix) return unix_ && peer.kind == Peer::Kind::kUnix;
  // ::/0 means IPv6. Without this line it would contain every IPv4 peer, through the mapped form.
  if (peer.kind == Peer::Kind::kIpv4 && prefix_bits_ < kMappedBits) return false;
  return same_prefix(ip_, peer.ip, prefix_bits_);
}

}  // namespace baton
