// The head parser: one answer however the bytes are cut, results inside the bytes, and no other reading than
// Boost.Beast's. The first byte of an input chooses the limits, the rest is what a client sends.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>
#include <vector>

#include "common/http/chars.h"
#include "common/http/parser.h"
#include "tests/support/beast_oracle.h"

namespace {

using baton::http::parse_head;
using baton::http::ParseResult;
using baton::http::ParserLimits;
using baton::http::ParseStatus;
using baton::http::Request;

void require(bool holds, const char* what) {
  if (holds) return;
  std::fprintf(stderr, "violated: %s\n", what);
  std::abort();
}

bool same(const ParseResult& a, const ParseResult& b) {
  return a.status == b.status && a.error == b.error && std::string_view(a.reason) == b.reason &&
         a.has_request_line == b.has_request_line;
}

void check_prefix(std::string_view bytes, std::size_t size, const ParserLimits& limits,
                  const ParseResult& whole, const Request& request) {
  static Request of_prefix;  // reused, as on a connection
  const std::vector<char> copy(bytes.begin(), bytes.begin() + static_cast<std::ptrdiff_t>(size));
  const auto result = parse_head({copy.data(), copy.size()}, limits, of_prefix);
  if (result.status == ParseStatus::kIncomplete) {
    require(whole.status != ParseStatus::kComplete || size < request.head_bytes,
            "complete heads are seen as such");
    return;
  }
  require(same(result, whole), "a prefix is incomplete or has the result of the whole");
  require(of_prefix.head_bytes == request.head_bytes, "head_bytes of a prefix");
  require(of_prefix.fields.size() == request.fields.size(), "number of fields of a prefix");
}

// All prefixes of a short input, a sample of a long one.
void check_prefixes(std::string_view bytes, const ParserLimits& limits, const ParseResult& whole,
                    const Request& request) {
  const std::size_t step = bytes.size() / 256 + 1;
  for (std::size_t size = 0; size < bytes.size(); size += step)
    check_prefix(bytes, size, limits, whole, request);
  if (whole.status != ParseStatus::kComplete) return;
  check_prefix(bytes, request.head_bytes - 1, limits, whole, request);
  check_prefix(bytes, request.head_bytes, limits, whole, request);
}

void check_view(std::string_view bytes, std::string_view part) {
  const auto begin = reinterpret_cast<std::uintptr_t>(bytes.data());
  const auto at = reinterpret_cast<std::uintptr_t>(part.data());
  require(part.empty() || (at >= begin && at + part.size() <= begin + bytes.size()), "views lie in the head");
}

void check_request(std::string_view head, const Request& request) {
  require(head.ends_with("\r\n\r\n"), "a head ends with an empty line");
  check_view(head, request.method_text);
  check_view(head, request.host);
  const bool encoded =
      !request.encoded_line.empty() && request.request_line.data() == request.encoded_line.data();
  const std::string_view line = encoded ? std::string_view(request.encoded_line) : head;
  for (const auto part : {request.request_line, request.target, request.query}) check_view(line, part);
  for (const auto part : {request.path, request.query}) {
    const char* const end = part.data() + part.size();
    require(baton::http::skip_chars(part.data(), end, baton::http::kUriChar) == end, "strays are encoded");
  }
  for (const auto& field : request.fields) {
    check_view(head, field.name);
    check_view(head, field.value);
    require(!field.name.empty(), "fields have names");
  }
  const bool connect = request.method == baton::http::Method::kConnect;
  require(connect == request.path.empty(), "all but CONNECT have a path");
  require(connect || request.path == "*" || request.path.front() == '/', "what a path looks like");
  require(request.query.empty() || request.has_query, "a query is told");
  require(request.framing == baton::http::BodyFraming::kLength || request.content_length == 0, "one framing");
}

void check_against_beast(std::string_view head, const Request& request) {
  const auto difference = baton::testing::head_disagreement(head, request);
  if (difference.empty()) return;
  std::fprintf(stderr, "Beast disagrees: %s\n", difference.c_str());
  std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  ParserLimits limits;
  if ((data[0] & 1) != 0) limits = {.target_bytes = data[0], .header_bytes = std::size_t{data[0]} * 2};
  const std::vector<char> input(data + 1, data + size);
  const std::string_view bytes(input.data(), input.size());

  static Request request;
  const auto whole = parse_head(bytes, limits, request);
  require(whole.status != ParseStatus::kIncomplete || bytes.size() < limits.header_bytes,
          "a full window is decided");
  check_prefixes(bytes, limits, whole, request);
  if (whole.status != ParseStatus::kComplete) return 0;
  require(request.head_bytes <= std::min(bytes.size(), limits.header_bytes), "head_bytes");
  const auto head = bytes.substr(0, request.head_bytes);
  check_request(head, request);
  check_against_beast(head, request);
  return 0;
}
