// judge_target of request_line.h: one function per form of a target (RFC 9112 3.2).
#include <algorithm>

#include "common/http/authority.h"
#include "common/http/request_line.h"
#include "common/http/target.h"

namespace baton::http {
namespace {

// Returns `tail`, which is the end of the target, encoded if need be. In that case it also rewrites the
// request line around it.
std::string_view encode(std::string_view tail, Request& request) {
  const char* const end = tail.data() + tail.size();
  if (skip_chars(tail.data(), end, kUriChar) == end) return tail;
  const std::string_view sent = request.request_line;
  const auto begin = static_cast<std::size_t>(tail.data() - sent.data());
  std::string& line = request.encoded_line;
  line.assign(sent.substr(0, begin));
  append_encoded(line, tail, kUriChar);
  const std::size_t size = line.size() - begin;
  line.append(sent.substr(begin + tail.size()));
  const auto target = static_cast<std::size_t>(request.target.data() - sent.data());
  request.request_line = line;
  request.target = request.request_line.substr(target, begin + size - target);
  return request.request_line.substr(begin, size);
}

void split_path(std::string_view text, Request& request) {
  text = encode(text, request);
  const auto mark = text.find('?');
  request.path = text.substr(0, mark);
  request.has_query = mark != std::string_view::npos;
  if (request.has_query) request.query = text.substr(mark + 1);
}

Outcome authority_form(Request& request) {
  const auto authority = parse_authority(request.target);
  if (!authority || authority->port.empty()) return bad_request("CONNECT needs host:port");
  request.host = authority->host;
  request.port = authority->port;
  return kStateDone;
}

Outcome asterisk_form(Request& request) {
  if (request.method != Method::kOptions) return bad_request("* is for OPTIONS");
  request.path = request.target;
  return kStateDone;
}

// What follows "http://" or "https://", or an empty view. https is accepted because a proxy in front may
// have ended TLS.
std::string_view after_scheme(std::string_view target) {
  for (const std::string_view scheme : {"http://", "https://"}) {
    if (iequals(target.substr(0, scheme.size()), scheme)) return target.substr(scheme.size());
  }
  return {};
}

Outcome absolute_form(Request& request) {
  const auto rest = after_scheme(request.target);
  if (rest.empty()) return bad_request("malformed target");
  const auto authority_bytes = rest.find_first_of("/?");
  const auto authority = parse_authority(rest.substr(0, authority_bytes));
  if (!authority) return bad_request("invalid host in target");
  request.host = authority->host;
  request.port = authority->port;
  split_path(rest.substr(std::min(authority_bytes, rest.size())), request);
  if (request.path.empty()) {
    // RFC 9112 3.2.4: OPTIONS for a URI with neither path nor query is OPTIONS *.
    request.path = request.method == Method::kOptions && !request.has_query ? "*" : "/";
  }
  return kStateDone;
}

}  // namespace

Outcome judge_target(Request& request) {
  if (request.method == Method::kConnect) return authority_form(request);
  if (request.target.front() == '/') {
    split_path(request.target, request);
    return kStateDone;
  }
  return request.target == "*" ? asterisk_form(request) : absolute_form(request);
}

}  // namespace baton::http
