// A second opinion on HTTP: Boost.Beast's request parser reads the same bytes. Whatever baton accepts, Beast
// must read in the same way: request smuggling needs two readers that differ on one request.
//
// The comparison goes one way only, because Beast accepts much that baton refuses. It makes allowance for
// where Beast 1.74 itself departs from the RFCs:
//
//   empty lines before the request line   Beast refuses them, RFC 9112 2.2 would skip them.
//                                         They are taken off first.
//   HTTP/1.2 to 1.9                       Beast knows 1.0 and 1.1 only, RFC 9112 2.3 wants 1.1.
//                                         Beast gets the request as 1.1.
//   Proxy-Connection                      Beast reads it as Connection, no RFC does. Keep-alive is not
//                                         compared, and a refusal for its value is forgiven.
//   close and keep-alive both, in 1.0     Beast keeps the connection, RFC 9112 9.3 closes it. Not compared.
//   Connection in a trailer               Beast checks its value as if it were in the head, RFC 9110 6.5.1
//                                         has trailers ignored. A refusal for its value is forgiven.
//
// Independent of the code under test, except for the Request structure.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "common/http/request.h"

namespace baton::testing {

// For a `head` that baton has accepted as `request`; head.size() == request.head_bytes. Returns what Beast
// reads differently, or "".
std::string head_disagreement(std::string_view head, const http::Request& request);

// The same for a chunked body: `coded` is all of it, and baton has decoded it to `body`.
std::string chunked_disagreement(std::string_view coded, std::string_view body);

}  // namespace baton::testing
