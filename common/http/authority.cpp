#include "common/http/authority.h"

#include <arpa/inet.h>

#include <array>
#include <cstring>

#include "common/http/chars.h"

namespace baton::http {
namespace {

bool is_port(std::string_view text) {
  unsigned value = 0;
  for (const char c : text) {
    if (!is_digit(c)) return false;
    value = value * 10 + static_cast<unsigned>(c - '0');
    if (value > 65'535) return false;
  }
  return true;
}

bool is_ipv6_address(std::string_view text) {
  std::array<char, INET6_ADDRSTRLEN> buffer{};
  if (text.size() >= buffer.size()) return false;
  std::memcpy(buffer.data(), text.data(), text.size());
  // inet_pton reads up to a NUL, so a NUL inside would hide what follows it.
  if (text.find('\0') != std::string_view::npos) return false;
  in6_addr address{};
  return inet_pton(AF_INET6, buffer.data(), &address) == 1;
}

bool escapes_are_valid(std::string_view text) {
  for (auto at = text.find('%'); at != std::string_view::npos; at = text.find('%', at + 3)) {
    if (text.size() - at < 3) return false;
    const int high = hex_value(text[at + 1]);
    const int low = hex_value(text[at + 2]);
    if (high < 0 || low < 0 || (high == 0 && low == 0)) return false;
  }
  return true;
}

// Returns the bytes of `text` that are its host, or an empty view.
std::string_view take_host(std::string_view text) {
  if (text.front() == '[') {
    const auto close = text.find(']');
    if (close == std::string_view::npos || !is_ipv6_address(text.substr(1, close - 1))) return {};
    return text.substr(0, close + 1);
  }
  const char* const end = text.data() + text.size();
  const char* const stop = skip_chars(text.data(), end, kRegNameChar);
  const auto host = text.substr(0, static_cast<std::size_t>(stop - text.data()));
  return escapes_are_valid(host) ? host : std::string_view{};
}

}  // namespace

std::optional<Authority> parse_authority(std::string_view text) {
  if (text.empty()) return std::nullopt;
  Authority authority{take_host(text), {}};
  if (authority.host.empty()) return std::nullopt;

  text.remove_prefix(authority.host.size());
  if (!text.empty()) {
    if (text.front() != ':') return std::nullopt;
    authority.port = text.substr(1);
    if (!is_port(authority.port)) return std::nullopt;
  }

  if (authority.host.back() == '.') authority.host.remove_suffix(1);
  if (authority.host.empty()) return std::nullopt;
  return authority;
}

}  // namespace baton::http
