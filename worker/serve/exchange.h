// One request on its way to a reply.
#pragma once

#include <cstdint>
#include <ctime>
#include <string_view>

#include "common/base/address.h"
#include "common/base/clock.h"
#include "common/http/reply.h"
#include "common/http/request.h"
#include "worker/app/module.h"
#include "worker/route/router.h"

namespace baton::serve {

// What makes the reply.
enum class Source : std::uint8_t {
  kReplied,  // nothing more: the reply is made, an error or the answer to OPTIONS
  kServer,   // Dispatcher::serve()
  kHandler,  // a module's handler: Exchange::endpoint
};

// The terms on which a request is served.
struct Terms {
  bool alone = false;       // the request is the only one of its batch: its response may be streamed
  bool keeps_body = false;  // the source wants the request's body, whole
  // The request must not be begun twice: after a death, no process knows how far it got (RFC 9110 9.2.2).
  bool at_most_once = false;
  std::uint64_t body_limit = 0;  // bytes; 413 above it
};

struct Exchange {
  const http::Request& request;
  const Peer& peer;
  Tick tick;                     // now, for caches
  std::time_t now;               // now, for dates
  http::Reply& reply;            // reset by the caller, filled in by dispatch or the handler
  bool secure = false;           // whether the request came by TLS
  bool redirects = false;        // whether it came from a listener that leads to https
  std::string_view path = {};    // normalized; set by dispatch
  const Route* route = nullptr;  // set by dispatch; null when no route matched
  Source source = Source::kReplied;
  Terms terms = {};
  // Source::kHandler: the handler, and the parameters of its pattern.
  const app::Endpoint* endpoint = nullptr;
  const app::RouteTable::Match* match = nullptr;
  std::string_view body = {};  // the request's whole body, if Terms::keeps_body

  // Adds the fields that the route's configuration gives, behind those of the source.
  void add_route_fields() {
    if (route != nullptr) reply.fields.add(route->fields);
  }
};

// Makes the reply an error with a small body, HTML or JSON by Accept (RFC 9110 12.5.1).
void error_reply(Exchange& exchange, int status, std::string_view detail = {});

// Makes the reply 405 with Allow. For OPTIONS: 204 with Allow.
void method_not_allowed(Exchange& exchange, std::string_view allow);

}  // namespace baton::serve
