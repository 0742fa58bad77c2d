// Status codes (RFC 9110 15) and their words. All views are of static storage.
#pragma once

#include <string_view>

namespace baton::http {

// The reason phrase registered for the code. "Unknown" for a code that is not registered, or registered as
// unused.
std::string_view reason_phrase(int status);

// "HTTP/1.1 200 OK\r\n", ready to send, for the codes that the server itself answers with. Empty for all
// others: the line for a handler's code is built from reason_phrase().
std::string_view status_line(int status);

// Whether a response with this status may have content. Not 204 and 304, which end with their head (RFC
// 9112 6.3), and not 205, whose length has to be 0 (RFC 9110 15.3.6).
constexpr bool may_have_content(int status) {
  return status != 204 && status != 205 && status != 304;
}

}  // namespace baton::http
