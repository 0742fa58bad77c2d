// Which fields the configuration and modules may add to a response.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace baton::http {

// What is wrong with a text and what was expected instead. Nothing when the text is valid.
using Complaint = std::optional<std::string>;

// The name must be a token (RFC 9110 5.6.2), and none of the fields that the server itself writes because
// they frame the message or describe the connection.
Complaint check_field_name(std::string_view name);

// The value must hold no control character except tab (RFC 9110 5.5). Blanks around it are no part of a
// value: see trim_spaces().
Complaint check_field_value(std::string_view value);

// Checks both. The complaint names the field.
Complaint check_field(std::string_view name, std::string_view value);

}  // namespace baton::http
