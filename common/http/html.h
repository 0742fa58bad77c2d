// Makes text safe to show in pages.
#pragma once

#include <string>
#include <string_view>

namespace baton::http {

std::string escape_html(std::string_view text);  // & < > " '

// `text` with U+FFFD for each byte that is not part of valid UTF-8 (RFC 3629) and for each control character.
std::string displayable(std::string_view text);

}  // namespace baton::http
