// Content negotiation (RFC 9110 12.5), as far as this server needs it.
#pragma once

#include <cstdint>
#include <string_view>

#include "worker/http/request.h"

namespace baton::http {

// Which of the codings may be sent: the q of each is above 0 ("*" counts; an absent field allows identity
// only).
struct AcceptedCodings {
  bool brotli = false;
  bool gzip = false;
};
AcceptedCodings accepted_codings(const Request& request);

// True when the Accept field ranks application/json above text/html. Absent, "*/*" and a tie mean HTML.
bool prefers_json(const Request& request);

}  // namespace baton::http
