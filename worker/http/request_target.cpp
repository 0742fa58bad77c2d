// judge_target of request_line.h: one function per form of a target (RFC 9112 3.2).
#include "worker/http/authority.h"
#include "worker/http/request_line.h"

namespace baton::http {
namespace {

void split_path(std::string_view text, Request& request) {
  const auto mark = text.find('?');
  request.path = text.substr(0, mark);
  request.has_query = mark != std::string_view::npos;
  if (request.has_query) request.query = text.substr(mark + 1);
}

Outcome authority_form(Request& request) {
  const auto authority = parse_authority(request.target);
  if (!authority || authority->port.empty()) return bad_request("CONNECT needs host:port");
  request.host = authority->host;
  return kStateDone;
}

Outcome asterisk_form(Request& request) {
  if (request.method != Method::kOptions) return bad_request("* is for OPTIONS");
  request.path = request.target;
  return kStateDone;
}

// What follows "http://" or "https://" (a proxy in front may have ended TLS), or an empty view.
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
  split_path(authority_bytes == std::string_view::npos ? "" : rest.substr(authority_bytes), request);
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
