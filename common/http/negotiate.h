// Content negotiation (RFC 9110 12.5), as far as this server needs it. Names compare without regard to
// case, and a field may be repeated. An element with a malformed weight is ignored; of several elements for
// the same thing the last one counts.
#pragma once

#include <cstdint>
#include <string_view>

#include "common/http/request.h"

namespace baton::http {

// Which codings may be sent: those whose q is above 0 ("*" counts; an absent field allows only identity).
// "x-gzip" is gzip (8.4.1.3). The identity coding always counts as acceptable.
struct AcceptedCodings {
  bool brotli = false;
  bool gzip = false;
};
AcceptedCodings accepted_codings(const Request& request);

// Whether the Accept field ranks application/json above text/html. An absent field, "*/*" and a tie mean
// HTML. For each of the two types the most specific range that covers it counts. Parameters other than q
// are ignored.
bool prefers_json(const Request& request);

}  // namespace baton::http
