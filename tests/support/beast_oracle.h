// A second opinion on HTTP: Boost.Beast's request parser reads the same bytes, and whatever baton accepts,
// Beast must read the same way. Two readers that differ on one request are what request smuggling is made of.
//
// The comparison goes one way only (Beast takes much that baton refuses), and makes allowance for where
// Beast 1.74 itself departs from the RFCs:
//
//   empty lines before the request line   Beast refuses them (RFC 9112 2.2 would skip them): they are taken
//   off first HTTP/1.2 to 1.9                       Beast knows 1.0 and 1.1 only (RFC 9112 2.3 wants 1.1):
//   given to it as 1.1 Proxy-Connection                      Beast reads it as Connection; no RFC does:
//   keep-alive is not compared, and
//                                         a refusal for its value is forgiven
//   close and keep-alive both, in 1.0     Beast keeps the connection; RFC 9112 9.3 closes it: not compared
//   Connection in a trailer               Beast checks its value as if it were in the head; RFC 9110 6.5.1
//   has
//                                         trailers ignored: a refusal for its value is forgiven
//
// Independent of the code under test but for the Request structure.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "common/http/request.h"

namespace baton::testing {

// `head` was accepted as `request`, head.size() == request.head_bytes. Returns what Beast reads differently,
// or "".
std::string head_disagreement(std::string_view head, const http::Request& request);

// `coded` is a chunked body, from its first byte to its last one, that was decoded to `body`.
std::string chunked_disagreement(std::string_view coded, std::string_view body);

}  // namespace baton::testing
