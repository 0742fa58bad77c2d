// From a request target's path to a path below a root, and back.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "common/http/chars.h"

namespace baton::http {

// Percent-decodes `path` once, then removes "." and ".." segments (RFC 3986 5.2.4) and merges repeated
// slashes. Writes into `out`, which must have path.size() + 1 bytes. A decoded %2F separates segments like
// any slash. The result begins with '/' and keeps a trailing slash ("/a/." and "/a/b/.." give "/a/"). It
// may hold any byte except NUL. Returns nothing (400) for a malformed escape, a NUL, a path that does not
// begin with '/', and a ".." that would leave the root at any point ("/../a", and "/a/../../a" too).
std::optional<std::string_view> normalize_path(std::string_view path, std::span<char> out);

// Percent-encodes a decoded path for a Location field or an href. Keeps what RFC 3986 3.3 allows in a path,
// '/' included. This includes '&' and '\'', so HTML still has to be escaped. It also includes ':', so a
// relative reference whose first segment may hold one needs "./" in front (RFC 3986 4.2).
std::string encode_path(std::string_view path);

// Appends `text` to `out`, with each byte outside the class as %XX.
void append_encoded(std::string& out, std::string_view text, CharClass kept);

}  // namespace baton::http
