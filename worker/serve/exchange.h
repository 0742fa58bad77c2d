// One request on its way to a reply.
#pragma once

#include <ctime>
#include <string_view>

#include "common/base/address.h"
#include "common/base/clock.h"
#include "common/http/reply.h"
#include "common/http/request.h"
#include "worker/app/module.h"
#include "worker/route/router.h"

namespace baton::serve {

struct Exchange {
  const http::Request& request;
  const Peer& peer;
  Tick tick;                     // now, for caches
  std::time_t now;               // now, for dates
  http::Reply& reply;            // reset by the caller, filled in by the handler
  std::string_view path;         // normalized; set by dispatch
  const Route* route = nullptr;  // set by dispatch; null when no route matched
  bool replied = false;          // there was nothing to serve: the reply says so
  // For a module: which handler, and the parameters of its pattern.
  const app::Endpoint* endpoint = nullptr;
  const app::RouteTable::Match* match = nullptr;
  std::string_view body;  // for a module: the whole of it
};

// Makes the reply an error with a small body, HTML or JSON by Accept (RFC 9110 12.5.1).
void error_reply(Exchange& exchange, int status, std::string_view detail = {});

// 405 with Allow, or for OPTIONS 204 with Allow.
void method_not_allowed(Exchange& exchange, std::string_view allow);

}  // namespace baton::serve
