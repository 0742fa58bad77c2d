#include "common/http/added_field.h"

#include <algorithm>
#include <array>

#include "common/base/printable.h"
#include "common/http/chars.h"

namespace baton::http {

Complaint check_field_name(std::string_view name) {
  constexpr std::array<std::string_view, 9> kOwn{"connection", "content-length", "date",
                                                 "host",       "keep-alive",     "server",
                                                 "trailer",    "upgrade",        "transfer-encoding"};
  if (!is_token(name)) {
    return quoted(name) + " is not a field name; expected letters, digits and -, as in X-Frame-Options";
  }
  if (std::ranges::find(kOwn, lower_case(name)) != kOwn.end()) {
    return quoted(name) + " is written by the server itself and cannot be set";
  }
  return std::nullopt;
}

Complaint check_field_value(std::string_view value) {
  const char* const end = value.data() + value.size();
  if (skip_value(value.data(), end) != end) {
    return "a field value cannot contain line breaks or other control characters";
  }
  return std::nullopt;
}

Complaint check_field(std::string_view name, std::string_view value) {
  if (Complaint complaint = check_field_name(name)) return complaint;
  if (const Complaint complaint = check_field_value(value)) return quoted(name) + ": " + *complaint;
  return std::nullopt;
}

}  // namespace baton::http
