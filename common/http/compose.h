// Turns a reply into the bytes of a response (RFC 9112 4, RFC 9110 8.6, 9.3.2).
#pragma once

#include <cstdint>
#include <ctime>
#include <string_view>

#include "common/http/reply.h"
#include "common/http/sink.h"

namespace baton::http {

struct ComposeContext {
  bool head_only = false;  // HEAD: the same fields and Content-Length, but no body
  bool keep_alive = true;  // whether the connection goes on after this response
  bool streamed = false;   // the body follows later: chunked, or to the end of the connection for HTTP/1.0
  std::uint8_t minor = 1;  // of the request: an HTTP/1.0 client must be told that the connection stays open
};

// Appends the whole response to `sink` and returns the size of its head. `now` is the wall clock in
// seconds, for Date. If the status has no content, `reply` has none afterwards.
std::size_t compose(Reply& reply, const ComposeContext& context, std::time_t now, Sink& sink);

}  // namespace baton::http
