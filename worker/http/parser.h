// A strict HTTP/1.1 request head parser (RFC 9112). Reads in place, allocates nothing, keeps no state between
// calls: a head that arrives in pieces is parsed from its first byte again, by whichever process holds the
// connection.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "worker/http/request.h"

namespace baton::http {

struct ParserLimits {
  std::size_t target_bytes = 8'192;   // a longer target: 414
  std::size_t header_bytes = 16'384;  // request line and fields together: 431
};

enum class ParseStatus : std::uint8_t { kIncomplete, kComplete, kError };

struct ParseResult {
  ParseStatus status = ParseStatus::kIncomplete;
  int error = 0;            // kError: the response status: 400, 414, 417, 431, 501 or 505
  const char* reason = "";  // kError: a few words for the error body and the log
  // kComplete or kError: the request line could be read, so method_text and target of `request` may be
  // logged.
  bool has_request_line = false;
};

// Parses the head at the start of `bytes` into `request`. An error is reported as early as the bytes show it
// (also on an incomplete head) and always closes the connection. kIncomplete never needs more than
// limits.header_bytes bytes.
ParseResult parse_head(std::string_view bytes, const ParserLimits& limits, Request& request);

}  // namespace baton::http
