// A parsed request head (RFC 9112 2 to 7). Its views point into the bytes that were parsed, into the object
// itself, or to a literal (a path that the target leaves out). They are valid for as long as both the bytes
// and the object are. A copy has views into what it was copied from. One object is reused for one request
// after the other.
//
// RFC 3986 allows some bytes in no path and no query, but clients send them all the same: '"', '<', '>',
// '[', '\\', ']', '^', '`', '{', '|', '}' and bytes from 0x80 on. In the views they stand as %XX, so no
// other code has to treat them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace baton::http {

enum class Method : std::uint8_t { kGet, kHead, kPost, kPut, kDelete, kConnect, kOptions, kTrace, kPatch };

// Whether a request may be handled again when it is unknown how far it got (RFC 9110 9.2.2).
constexpr bool idempotent(Method method) {
  return method != Method::kPost && method != Method::kPatch && method != Method::kConnect;
}

struct Field {
  std::string_view name;   // as sent; compare with iequals()
  std::string_view value;  // without surrounding white space
};

enum class BodyFraming : std::uint8_t { kNone, kLength, kChunked };

struct Request {
  Method method = Method::kGet;
  std::string_view request_line;  // without its CRLF; for logs
  std::string_view method_text;
  std::string_view target;
  std::string_view path;   // still percent-encoded; begins with '/'; "*" for OPTIONS *; empty for CONNECT
  std::string_view query;  // without the '?'
  bool has_query = false;  // tells "/a?" from "/a"
  // The target's host if it has one, otherwise that of the Host field. Without the port and one trailing
  // dot, in the client's case, IPv6 literals in their brackets. Empty if Host is empty or, in HTTP/1.0,
  // missing.
  std::string_view host;
  std::string_view port;   // the port beside that host: digits, or empty
  std::uint8_t minor = 1;  // HTTP/1.minor: 0 or 1 (a higher one is served as 1)
  bool keep_alive = true;
  bool expect_continue = false;  // a body is announced, and the client waits for a 100 before it sends it
  BodyFraming framing = BodyFraming::kNone;
  std::uint64_t content_length = 0;  // with kLength; fits std::int64_t
  std::size_t head_bytes = 0;        // from the first byte given to the parser to the end of the empty line
  std::vector<Field> fields;         // in the order sent
  // If the target had to be encoded, request_line, target, path and query are views of this.
  std::string encoded_line;

  // The value of the first field with this name, which must be given in lower case, or an empty view. The
  // parser ensures that Host, Content-Length and Transfer-Encoding occur at most once. A list (RFC 9110
  // 5.3) may be spread over several fields: iterate over `fields`.
  [[nodiscard]] std::string_view field(std::string_view lower_case_name) const;
  [[nodiscard]] bool has_field(std::string_view lower_case_name) const;
};

// ASCII case-insensitive comparison; `lower_case` must already be lower case.
bool iequals(std::string_view text, std::string_view lower_case);

}  // namespace baton::http
