// Content negotiation (RFC 9110 12.5), as far as this server needs it.
// Names compare without regard to case, and a field may stand several times. An element with a malformed
// weight is ignored; of several elements for the same thing the last one counts.
#pragma once

#include <cstdint>
#include <string_view>

#include "common/http/request.h"

namespace baton::http {

// Which of the codings may be sent: the q of each is above 0 ("*" counts; an absent field allows identity
// only). "x-gzip" is gzip (8.4.1.3). The identity coding is always taken to be acceptable.
struct AcceptedCodings {
  bool brotli = false;
  bool gzip = false;
};
AcceptedCodings accepted_codings(const Request& request);

// True when the Accept field ranks application/json above text/html. Absent, "*/*" and a tie mean HTML.
// For each of the two the most specific range that covers it counts; no parameter but q is looked at.
bool prefers_json(const Request& request);

}  // namespace baton::http
