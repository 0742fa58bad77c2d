// A parsed request head. All views point into the bytes that were parsed: they are valid as long as those
// are.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace baton::http {

enum class Method : std::uint8_t { kGet, kHead, kPost, kPut, kDelete, kConnect, kOptions, kTrace, kPatch };

struct Field {
  std::string_view name;   // as sent; compare with iequals()
  std::string_view value;  // without surrounding white space
};

constexpr std::size_t kMaxFields = 100;

enum class BodyFraming : std::uint8_t { kNone, kLength, kChunked };

struct Request {
  Method method = Method::kGet;
  std::string_view request_line;  // without its CRLF; for logs
  std::string_view method_text;
  std::string_view target;  // as sent
  std::string_view path;    // still percent-encoded; begins with '/', or is "*" for OPTIONS *
  std::string_view query;   // without the '?'
  bool has_query = false;   // tells "/a?" from "/a"
  std::string_view
      host;  // without port and trailing dot; the target's host if it has one, else Host's; may be empty
  std::uint8_t minor = 1;  // HTTP/1.minor: 0 or 1 (a higher one is served as 1)
  bool keep_alive = true;
  bool expect_continue = false;
  BodyFraming framing = BodyFraming::kNone;
  std::uint64_t content_length = 0;  // with kLength
  std::size_t head_bytes = 0;        // from the first byte given to the parser to the end of the empty line
  std::array<Field, kMaxFields> fields;
  std::size_t field_count = 0;

  // The first field with this name (lower case given), or an empty view. RFC 9110 5.3 lists may have several:
  // see for_each_field in parser.h users; only Host, Content-Length and the like are unique and checked by
  // the parser.
  [[nodiscard]] std::string_view field(std::string_view lower_case_name) const;
  [[nodiscard]] bool has_field(std::string_view lower_case_name) const;
};

// ASCII case-insensitive comparison; `lower_case` must already be lower case.
bool iequals(std::string_view text, std::string_view lower_case);

}  // namespace baton::http
