// The small languages inside configuration strings: durations, sizes, host patterns, route paths and
// redirect targets.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "common/config/config.h"
#include "common/http/added_field.h"

namespace baton {

// "500ms", "10s", "2m", "1h": digits and a unit. Nothing for anything else, or beyond the range of a
// Duration.
std::optional<Duration> parse_duration(std::string_view text);

// "512", "16K", "1M", "1G", or "KiB" and so on: digits and an optional unit, a power of 1,024. Nothing for
// anything else, or beyond 63 bits.
std::optional<std::int64_t> parse_size(std::string_view text);

using http::Complaint;

// A host as in Host fields, without a port: a DNS name, an IPv4 address, "[::1]", or "*." before a DNS
// name.
Complaint check_host_pattern(std::string_view host);

// A prefix of normalized request paths (common/http/target.h): decoded, with a leading '/', without empty,
// "." or ".." segments. Any other path would never match.
Complaint check_route_path(std::string_view path);

// The target of a redirect: a path or an http(s) URI with {host}, {authority} and {uri} as its only
// placeholders. If it names a host, {uri} must not stand in the place of that host.
Complaint check_redirect_target(std::string_view target);

}  // namespace baton
