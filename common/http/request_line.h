// The request line (RFC 9112 3): first its bytes, then its meaning. Private to the parser.
#pragma once

#include "common/http/cursor.h"
#include "common/http/parser.h"
#include "common/http/request.h"

namespace baton::http {

struct Version {
  int major = 1;
  int minor = 1;
};

// Reads "method SP target SP HTTP/d.d CRLF" into method_text, target and `version`: 400 or 414.
Outcome read_request_line(Cursor& in, const ParserLimits& limits, Request& request, Version& version);

// Judges what was read, and sets minor, method, path, query and the target's host: 505, 501 or 400.
Outcome judge_request_line(const Version& version, Request& request);

// Judges the target by its form (RFC 9112 3.2) and request.method, and sets path, query, host and port, or
// returns 400. request_line must be set; it may be changed together with the target (see request.h).
Outcome judge_target(Request& request);

}  // namespace baton::http
