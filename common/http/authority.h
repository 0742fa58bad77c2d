// The authority of a target or of the Host field: host [":" port] (RFC 9110 7.2, RFC 3986 3.2).
#pragma once

#include <optional>
#include <string_view>

namespace baton::http {

struct Authority {
  std::string_view host;  // never empty; an IPv6 literal keeps its brackets; one trailing dot is dropped
  std::string_view port;  // digits, at most 65535; empty if there is none or nothing follows the colon
};

// Returns nothing for an empty host, user information, a malformed escape or %00, a bad port, and brackets
// around anything except an IPv6 address (a zone and IPvFuture are refused, too).
std::optional<Authority> parse_authority(std::string_view text);

}  // namespace baton::http
