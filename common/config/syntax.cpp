#include "common/config/syntax.h"

#include <arpa/inet.h>
#include <netinet/in.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <limits>
#include <utility>

#include "common/base/printable.h"
#include "common/http/chars.h"

namespace baton {
namespace {

constexpr std::string_view kHostExpected =
    "expected a name such as example.com, *.example.org, an IPv4 address or [::1]";

bool is_alnum(char c) {
  return http::is_digit(c) || (http::to_lower(c) >= 'a' && http::to_lower(c) <= 'z');
}
bool is_control(char c) {
  return (c >= '\0' && c < ' ') || c == '\x7f';
}
// Splits "10s" into 10 and "s". Nothing when `text` does not begin with digits, or the number overflows.
std::optional<std::pair<std::int64_t, std::string_view>> split_number(std::string_view text) {
  std::int64_t number = 0;
  const char* end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data(), end, number);
  if (error != std::errc{} || text.front() == '-') return std::nullopt;
  return std::pair{number, std::string_view{stop, end}};
}

std::optional<std::int64_t> scaled(std::int64_t number, std::int64_t factor) {
  if (number > std::numeric_limits<std::int64_t>::max() / factor) return std::nullopt;
  return number * factor;
}

bool is_ipv6_literal(std::string_view host) {
  if (!host.starts_with('[') || !host.ends_with(']') || std::ranges::any_of(host, is_control)) return false;
  in6_addr ignored{};
  return inet_pton(AF_INET6, std::string{host.substr(1, host.size() - 2)}.c_str(), &ignored) == 1;
}

bool is_label(std::string_view label) {
  return !label.empty() && label.size() <= 63 && label.front() != '-' && label.back() != '-' &&
         std::ranges::all_of(label, [](char c) { return is_alnum(c) || c == '-' || c == '_'; });
}

// Takes the first segment off `rest` and leaves what follows the separator. After the last segment `rest`
// is nothing.
std::optional<std::string_view> take_segment(std::optional<std::string_view>& rest, char separator) {
  if (!rest) return std::nullopt;
  const std::size_t end = rest->find(separator);
  const std::string_view segment = rest->substr(0, end);
  rest = end == std::string_view::npos ? std::nullopt : std::optional{rest->substr(end + 1)};
  return segment;
}

}  // namespace

std::optional<Duration> parse_duration(std::string_view text) {
  constexpr std::array<std::pair<std::string_view, std::int64_t>, 4> kUnits{
      {{"ms", 1}, {"s", 1'000}, {"m", 60'000}, {"h", 3'600'000}}};
  const auto parts = split_number(text);
  if (!parts) return std::nullopt;
  const auto* unit =
      std::ranges::find(kUnits, parts->second, &std::pair<std::string_view, std::int64_t>::first);
  if (unit == kUnits.end()) return std::nullopt;
  const auto milliseconds = scaled(parts->first, unit->second);
  if (!milliseconds) return std::nullopt;
  return Duration{*milliseconds};
}

std::optional<std::int64_t> parse_size(std::string_view text) {
  constexpr std::array<std::pair<std::string_view, std::int64_t>, 7> kUnits{{{"", 1},
                                                                             {"K", 1 << 10},
                                                                             {"M", 1 << 20},
                                                                             {"G", 1 << 30},
                                                                             {"KiB", 1 << 10},
                                                                             {"MiB", 1 << 20},
                                                                             {"GiB", 1 << 30}}};
  const auto parts = split_number(text);
  if (!parts) return std::nullopt;
  const auto* unit =
      std::ranges::find(kUnits, parts->second, &std::pair<std::string_view, std::int64_t>::first);
  if (unit == kUnits.end()) return std::nullopt;
  return scaled(parts->first, unit->second);
}

Complaint check_host_pattern(std::string_view host) {
  if (is_ipv6_literal(host)) return std::nullopt;
  if (host.starts_with('[')) return quoted(host) + " is not an IPv6 address in brackets";
  if (host == "*") return "'*' is not a host; the default site is the one that has no hosts";
  std::optional<std::string_view> rest = host.starts_with("*.") ? host.substr(2) : host;
  if (rest->find('*') != std::string_view::npos)
    return quoted(host) + ": '*' may only stand first, as in *.example.org";
  if (rest->find(':') != std::string_view::npos) return quoted(host) + ": hosts are written without a port";
  if (rest->ends_with('.')) return quoted(host) + ": write the host without the dot at its end";
  const auto is_ascii = [](char c) { return c > '\0'; };
  if (!std::ranges::all_of(host, is_ascii)) {
    return quoted(host) + ": international names are written in their ASCII form (xn--...)";
  }
  if (host.size() > 253) return "the host is longer than 253 characters";
  while (const auto label = take_segment(rest, '.')) {
    if (!is_label(*label)) return quoted(host) + " is not a host; " + std::string{kHostExpected};
  }
  return std::nullopt;
}

Complaint check_route_path(std::string_view path) {
  if (!path.starts_with('/')) return quoted(path) + " does not begin with '/'";
  if (std::ranges::any_of(path, is_control)) return "the path contains a control character";
  if (path.find_first_of("?#") != std::string_view::npos) {
    return quoted(path) + " contains '?' or '#'; only the path of a request is compared, without its query";
  }
  for (std::size_t i = path.find('%'); i != std::string_view::npos; i = path.find('%', i + 1)) {
    if (i + 2 < path.size() && http::hex_value(path[i + 1]) >= 0 && http::hex_value(path[i + 2]) >= 0) {
      return quoted(path) + " contains a percent-escape; write the character itself";
    }
  }
  std::optional<std::string_view> rest = path.substr(1);
  while (const auto segment = take_segment(rest, '/')) {
    const bool trailing_slash = segment->empty() && !rest;
    if (*segment == "." || *segment == ".." || (segment->empty() && !trailing_slash)) {
      return quoted(path) + " contains an empty, '.' or '..' segment and would never match";
    }
  }
  return std::nullopt;
}

Complaint check_redirect_target(std::string_view target) {
  constexpr std::array<std::string_view, 4> kStarts{"/", "http://", "https://", "{uri}"};
  constexpr std::array<std::string_view, 3> kPlaceholders{"{host}", "{authority}", "{uri}"};
  if (std::ranges::none_of(kStarts, [&](std::string_view start) { return target.starts_with(start); })) {
    return quoted(target) + " does not begin with '/', 'http://', 'https://' or '{uri}'";
  }
  const auto is_unsafe = [](char c) {
    return c <= ' ' || c > '~' || std::string_view{"\"<>\\^`|"}.find(c) != std::string_view::npos;
  };
  if (std::ranges::any_of(target, is_unsafe)) {
    return "the target contains a character that a URI cannot; percent-encode it";
  }
  std::string_view rest = target.substr(target.starts_with("http") ? target.find(':') + 1 : 0);
  if (rest.starts_with("//")) {
    rest.remove_prefix(2);
    if (rest.empty() || rest.find_first_of("/?#:") == 0 || rest.starts_with("{uri}"))
      return quoted(target) + " has no host behind its '//'; expected a name, {host} or {authority}";
  }
  while (true) {
    target.remove_prefix(std::min(target.find_first_of("{}"), target.size()));
    if (target.empty()) return std::nullopt;
    const auto* const found = std::ranges::find_if(
        kPlaceholders, [&](std::string_view placeholder) { return target.starts_with(placeholder); });
    if (found == kPlaceholders.end()) {
      return quoted(target.substr(0, target.find('}', 1) + 1)) +
             " is no placeholder; expected {host}, {authority} or {uri}";
    }
    target.remove_prefix(found->size());
  }
}

}  // namespace baton
