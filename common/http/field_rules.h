// The meaning of the fields that steer the connection: Host, Content-Length, Transfer-Encoding, Connection
// and Expect. Private to the parser.
#pragma once

#include "common/http/cursor.h"
#include "common/http/request.h"

namespace baton::http {

// Gathered over the field lines and judged at the end of the head.
struct HeadFacts {
  bool has_host = false;
  bool has_length = false;
  bool has_transfer_encoding = false;
  bool unknown_coding = false;
  bool close = false;
  bool keep_alive = false;
  bool expects_continue = false;
  bool unknown_expectation = false;
};

// Takes one field into account. 400 if it is malformed, repeated, or contradicts an earlier one. The caller
// must have set request.minor, and request.host and .port if the target has a host.
Outcome apply_field(const Field& field, Request& request, HeadFacts& facts);

// The verdicts that need the whole head: 400 without Host, 501, 417. They come last, so that a malformed
// head is a 400 whatever else it asks for. Sets keep_alive, expect_continue and framing.
Outcome finish_head(const HeadFacts& facts, Request& request);

}  // namespace baton::http
