#include "worker/serve/dispatch.h"

#include <algorithm>

#include "common/http/negotiate.h"
#include "common/http/target.h"
#include "worker/serve/status_page.h"

namespace baton::serve {

namespace {

constexpr std::string_view kAllowRead = "GET, HEAD, OPTIONS";
constexpr std::string_view kAllowAny = "GET, HEAD, POST, PUT, DELETE, PATCH, OPTIONS";

void append_uri(std::string& out, const http::Request& request) {
  out += request.path;
  if (request.has_query) out.append("?").append(request.query);
}

void append_authority(std::string& out, const http::Request& request) {
  out += request.host;
  if (!request.port.empty()) out.append(":").append(request.port);
}

// Fills in the placeholders, whose names have been checked. A "//" in front would name another host, so it is
// left only if the configuration itself begins with it.
std::string expand(std::string_view to, const http::Request& request) {
  std::string location;
  const bool names_host = to.starts_with("//");
  while (!to.empty()) {
    const std::size_t open = std::min(to.find('{'), to.size());
    location += to.substr(0, open);
    to.remove_prefix(open);
    const std::string_view placeholder = to.substr(0, to.empty() ? 0 : to.find('}') + 1);
    to.remove_prefix(placeholder.size());
    if (placeholder == "{uri}") append_uri(location, request);
    if (placeholder == "{host}") location += request.host;
    if (placeholder == "{authority}") append_authority(location, request);
  }
  if (!names_host && location.starts_with("//"))
    location.erase(0, std::min(location.find_first_not_of('/'), location.size()) - 1);
  return location;
}

// Answers methods that the route does not offer, and OPTIONS. No route offers TRACE, which would echo
// credentials, or CONNECT, which asks for a proxy. Returns whether the request is answered.
bool refused(Exchange& exchange, std::string_view allow) {
  using http::Method;
  const Method method = exchange.request.method;
  const bool reads = method == Method::kGet || method == Method::kHead;
  const bool writes = method == Method::kPost || method == Method::kPut || method == Method::kDelete ||
                      method == Method::kPatch;
  if (reads || (writes && allow == kAllowAny)) return false;
  method_not_allowed(exchange, allow);
  return true;
}

}  // namespace

void Dispatcher::find(Exchange& exchange) {
  exchange.terms = {.at_most_once = !http::idempotent(exchange.request.method), .body_limit = body_limit_};
  if (!find_route(exchange)) return;
  if (!exchange.route->module) {
    exchange.source = Source::kServer;
  } else if (find_endpoint(exchange)) {
    const app::Endpoint& endpoint = *exchange.endpoint;
    exchange.source = Source::kHandler;
    exchange.terms = {.alone = true,
                      .keeps_body = true,
                      .at_most_once = !endpoint.idempotent.value_or(!exchange.terms.at_most_once),
                      .body_limit = endpoint.max_body};
  }
}

bool Dispatcher::find_route(Exchange& exchange) {
  const http::Request& request = exchange.request;
  if (request.path == "*") {  // OPTIONS *: the server as a whole (RFC 9110 9.3.7)
    exchange.reply.status = 204;
    exchange.reply.header("Allow", kAllowAny);
    return false;
  }
  if (request.method == http::Method::kConnect) {  // it has no path
    method_not_allowed(exchange, kAllowAny);
    return false;
  }
  path_.resize(request.path.size() + 1);
  const auto normalized = http::normalize_path(request.path, path_);
  if (!normalized) {
    error_reply(exchange, 400, "The path cannot be decoded, or leaves the root.");
    exchange.reply.close = true;
    return false;
  }
  exchange.path = *normalized;
  if (leads_to_https(exchange)) {
    redirect_to_https(exchange);
    return false;
  }
  exchange.route = router_.find(request.host, exchange.path);
  if (exchange.route == nullptr) {
    error_reply(exchange, 404);
    return false;
  }
  flight_.route.store(exchange.route->number, std::memory_order_relaxed);
  if (!exchange.route->allows(exchange.peer)) {
    error_reply(exchange, 403);
    return false;
  }
  return true;
}

bool Dispatcher::leads_to_https(const Exchange& exchange) const {
  // Certificate authorities look here, over port 80, whether a name belongs to who asks for its certificate
  // (RFC 8555 8.3). A path without the dot segments of the request is compared.
  constexpr std::string_view kChallenges = "/.well-known/acme-challenge/";
  if (exchange.secure || https_port_ == 0) return false;
  if (!exchange.redirects && !router_.redirects(exchange.request.host)) return false;
  return !exchange.path.starts_with(kChallenges);
}

// 301 for GET and HEAD, as other servers do. 308 for the rest: after a 301, many clients would ask with GET,
// and without the body.
void Dispatcher::redirect_to_https(Exchange& exchange) const {
  constexpr std::uint16_t kUsualPort = 443;
  const http::Request& request = exchange.request;
  if (request.host.empty()) {
    return error_reply(exchange, 400,
                       "This server leads to https at the request's host, and the request names none.");
  }
  std::string location = "https://" + std::string(request.host);
  if (https_port_ != kUsualPort) location += ":" + std::to_string(https_port_);
  append_uri(location, request);
  const bool reads = request.method == http::Method::kGet || request.method == http::Method::kHead;
  error_reply(exchange, reads ? 301 : 308);
  exchange.reply.header("Location", location);
}

bool Dispatcher::find_endpoint(Exchange& exchange) {
  const app::Module& module = *modules_.find(*exchange.route);
  module.routes().find(exchange.request.method, exchange.path.substr(exchange.route->prefix.size()), match_);
  if (match_.handler) {
    exchange.endpoint = &module.endpoint(*match_.handler);
    exchange.match = &match_;
    return true;
  }
  match_.path_found ? method_not_allowed(exchange, match_.allow) : error_reply(exchange, 404);
  return false;
}

void Dispatcher::serve(Exchange& exchange) {
  std::visit([&](const auto& config) { serve(exchange, config); }, exchange.route->config->action);
}

void Dispatcher::serve(Exchange& exchange, const StaticConfig&) {
  files_.serve(exchange);
}

void Dispatcher::serve(Exchange& exchange, const RedirectConfig& config) {
  if (refused(exchange, kAllowAny)) return;
  if (exchange.request.host.empty() && config.needs_host())
    return error_reply(exchange, 400,
                       "This redirect leads to the request's host, and the request names none.");
  const std::string location = expand(config.to, exchange.request);
  error_reply(exchange, config.status);
  exchange.reply.header("Location", location);
}

void Dispatcher::serve(Exchange& exchange, const RespondConfig& config) {
  if (refused(exchange, kAllowAny)) return;
  exchange.reply.status = config.status;
  exchange.reply.content_type = config.type;
  exchange.reply.body = http::Reply::Body::kBytes;
  exchange.reply.bytes = config.body;
}

void Dispatcher::serve(Exchange& exchange, const StatusConfig&) {
  if (refused(exchange, kAllowRead)) return;
  const bool json = http::prefers_json(exchange.request);
  exchange.reply.text = json ? status_json(segment_) : status_html(segment_);
  exchange.reply.content_type = json ? "application/json" : "text/html; charset=utf-8";
  exchange.reply.header("Vary", "Accept");
  exchange.reply.header("Cache-Control", "no-store");
  exchange.reply.use_text();
}

// Never called: a request for a module has Source::kHandler or, without an endpoint, Source::kReplied.
void Dispatcher::serve(Exchange& exchange, const ModuleConfig&) {
  error_reply(exchange, 500);
}

}  // namespace baton::serve
