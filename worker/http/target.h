// From a request target's path to a path below a root, and back.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace baton::http {

// Percent-decodes `path` once, then removes "." and ".." segments and merges repeated slashes, writing into
// `out` (path.size() + 1 bytes are enough). The result begins with '/' and keeps a trailing slash ("/a/." and
// "/a/b/.." give
// "/a/"). Returns nothing (400) for a malformed escape, a NUL, or a ".." that would leave the root.
std::optional<std::string_view> normalize_path(std::string_view path, std::span<char> out);

// Percent-encodes a decoded path so that it can stand in a Location field or an href: keeps what RFC 3986 3.3
// allows in a path, '/' included.
std::string encode_path(std::string_view path);

}  // namespace baton::http
