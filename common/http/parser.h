// A strict HTTP/1.1 request head parser (RFC 9112). It reads in place and keeps no state between calls: the
// process that holds the connection parses a head that arrives in pieces again from its first byte. It
// allocates only for more fields than any request before had, and for a target that has to be encoded.
//
// Where the RFCs leave the choice, it refuses what other readers are known to read differently (request
// smuggling): a repeated Content-Length even if equal, empty elements in Transfer-Encoding, a bare LF,
// obs-fold, '#' in a target. It skips up to four empty lines before the request line. It serves HTTP/1.2 to
// 1.9 as 1.1.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "common/http/request.h"

namespace baton::http {

struct ParserLimits {
  std::size_t target_bytes = 8'192;  // a longer target: 414
  // The whole head: empty lines before it, the request line, the fields and the empty line after them. A
  // longer head is a 414 if the request line alone does not fit, otherwise a 431.
  std::size_t header_bytes = 16'384;
  std::size_t header_fields = 100;  // more fields: 431
};

enum class ParseStatus : std::uint8_t { kIncomplete, kComplete, kError };

struct ParseResult {
  ParseStatus status = ParseStatus::kIncomplete;
  int error = 0;            // kError: the response status: 400, 414, 417, 431, 501 or 505
  const char* reason = "";  // kError: a few words for the error body and the log
  // kComplete or kError: the request line was read, so method_text and target may be logged.
  bool has_request_line = false;
};

// Parses the head at the start of `bytes` into `request` and sets all of its members. Bytes after the head
// are not looked at. At most limits.header_bytes bytes are read, and with that many the result is never
// kIncomplete. An error is reported as soon as the bytes show it, also on an incomplete head, and always
// closes the connection. Every prefix of a head is either kIncomplete or gives the result of the whole, so it
// does not matter how the head arrived.
//
//   400  malformed; a target form the method does not have; Host missing, repeated or invalid; invalid or
//        contradictory framing
//   414  see ParserLimits
//   417  an expectation other than 100-continue (ignored in HTTP/1.0)
//   431  see ParserLimits
//   501  an unknown method (known ones that are not served are the caller's 405); a coding other than chunked
//   505  a major version other than 1
//
// A 417, and a 501 for a coding, come only at the end of the head, so that a malformed head is a 400
// whatever else it asks for.
//
// `request` is meaningful only after kComplete. The exceptions are method_text and target: see
// has_request_line.
ParseResult parse_head(std::string_view bytes, const ParserLimits& limits, Request& request);

}  // namespace baton::http
