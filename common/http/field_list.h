// Lists in field values (RFC 9110 5.6.1), such as "a, b;q=1, "c,d"", over all fields of one name. Pieces
// are views into the request: nothing is copied or allocated.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "common/http/chars.h"
#include "common/http/request.h"

namespace baton::http {

// What a backslash means between double quotes. In a quoted-string (RFC 9110 5.6.4) it escapes the next
// byte. In an entity-tag (8.8.3) it is an ordinary byte, so that "\" is a whole tag. Reading one by the
// rule of the other loses the closing quote, and with it the rest of the list.
enum class Quoting : std::uint8_t { kQuotedString, kEntityTag };

// Takes a piece off the front of `rest`: the bytes up to the next `separator` outside quotes. Takes the
// separator off, too, but does not return it. A quote that is never closed takes everything that is left.
inline std::string_view take_piece(std::string_view& rest, char separator, Quoting quoting) {
  bool quoted = false;
  std::size_t end = 0;
  for (; end < rest.size(); ++end) {
    const char byte = rest[end];
    if (byte == '"') quoted = !quoted;
    if (quoted && byte == '\\' && quoting == Quoting::kQuotedString) ++end;
    if (!quoted && byte == separator) break;
  }
  const std::string_view piece = rest.substr(0, end);
  rest.remove_prefix(end < rest.size() ? end + 1 : rest.size());
  return piece;
}

// Calls `fn(std::string_view)` for each piece of `text` between separators, trimmed. Skips empty pieces, as
// RFC 9110 5.6.1.2 asks of a recipient.
template <typename Function>
void for_each_piece(std::string_view text, char separator, Quoting quoting, Function&& fn) {
  while (!text.empty()) {
    const std::string_view piece = trim_spaces(take_piece(text, separator, quoting));
    if (!piece.empty()) fn(piece);
  }
}

// Calls `fn(std::string_view)` for each list element of all fields with this name, in the order sent.
template <typename Function>
void for_each_element(const Request& request, std::string_view lower_case_name, Function&& fn,
                      Quoting quoting = Quoting::kQuotedString) {
  for (const Field& field : request.fields) {
    if (iequals(field.name, lower_case_name)) for_each_piece(field.value, ',', quoting, fn);
  }
}

}  // namespace baton::http
