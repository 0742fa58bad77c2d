// The small languages inside configuration strings: durations, sizes, host patterns, route paths, header
// fields.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "common/config.h"

namespace baton {

// "500ms", "10s", "2m", "1h": digits and a unit. Nothing for anything else, or past what a Duration holds.
std::optional<Duration> parse_duration(std::string_view text);

// "512", "16K", "1M", "1G", or "KiB" and so on: digits and an optional unit of 1,024. Nothing for anything
// else or past 63 bits.
std::optional<std::int64_t> parse_size(std::string_view text);

// What is wrong with the text and what was expected instead; nothing when it is good.
using Complaint = std::optional<std::string>;

// A host as Host fields carry it, without a port: a DNS name, an IPv4 address, "[::1]", or "*." before a DNS
// name.
Complaint check_host_pattern(std::string_view host);

// A prefix of normalized request paths (worker/http/target.h): decoded, beginning with '/', without empty,
// "." or ".." segments. Anything else would never match.
Complaint check_route_path(std::string_view path);

// A field name that a route may add: a token (RFC 9110 5.6.2), and none of the fields that the server itself
// writes because they frame the message or describe the connection.
Complaint check_header_name(std::string_view name);

// A field value (RFC 9110 5.5): no control characters but tab.
Complaint check_header_value(std::string_view value);

// Both; the complaint names the field.
Complaint check_header(std::string_view name, std::string_view value);

// Without the spaces and tabs around it, which are no part of a field value (RFC 9110 5.5).
std::string_view trim_blanks(std::string_view text);

// The target of a redirect: a path or an http(s) URI with {host}, {authority} and {uri} as its only
// placeholders. Where it names a host, {uri} does not stand in that one's place.
Complaint check_redirect_target(std::string_view target);

std::string ascii_lower(std::string_view text);

}  // namespace baton
