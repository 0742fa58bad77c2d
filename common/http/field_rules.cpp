#include "common/http/field_rules.h"

#include <limits>
#include <utility>

#include "common/http/authority.h"
#include "common/http/chars.h"

namespace baton::http {
namespace {

// Takes the next element of a comma-separated list off `list`, without the white space around it. It may be
// empty.
std::string_view take_element(std::string_view& list) {
  const auto comma = list.find(',');
  const auto element = trim_spaces(list.substr(0, comma));
  list = comma == std::string_view::npos ? std::string_view{} : list.substr(comma + 1);
  return element;
}

// An empty Host is lawful (RFC 9110 7.2) and names no site.
Outcome apply_host(std::string_view value, Request& request, HeadFacts& facts) {
  if (std::exchange(facts.has_host, true)) return bad_request("more than one Host");
  if (value.empty()) return kStateDone;
  const auto authority = parse_authority(value);
  if (!authority) return bad_request("invalid Host");
  if (!request.host.empty()) return kStateDone;  // the target names the host
  request.host = authority->host;
  request.port = authority->port;
  return kStateDone;
}

// Lengths become file offsets, so a length that does not fit one is an overflow already here.
bool read_length(std::string_view text, std::uint64_t& length) {
  constexpr std::uint64_t kMax = std::numeric_limits<std::int64_t>::max();
  if (text.empty()) return false;
  length = 0;
  for (const char c : text) {
    if (!is_digit(c)) return false;
    const auto digit = static_cast<std::uint64_t>(c - '0');
    if (length > (kMax - digit) / 10) return false;
    length = length * 10 + digit;
  }
  return true;
}

// A repeated field is refused even with equal values, which RFC 9110 8.6 permits. To agree with every other
// reader of the same bytes is worth more than the clients that repeat it.
Outcome apply_content_length(std::string_view value, Request& request, HeadFacts& facts) {
  if (std::exchange(facts.has_length, true)) return bad_request("more than one Content-Length");
  if (facts.has_transfer_encoding) return bad_request("Content-Length with Transfer-Encoding");
  if (!read_length(value, request.content_length)) return bad_request("invalid Content-Length");
  return kStateDone;
}

// chunked must be the last and only coding; any other well-formed coding is merely unknown. Empty elements
// are refused, although other lists may have them: readers differ on them, and this field frames the
// message.
Outcome read_codings(std::string_view list, HeadFacts& facts) {
  bool chunked = false;
  do {
    if (chunked) return bad_request("chunked is not the last coding");
    const auto element = take_element(list);
    const auto semicolon = element.find(';');
    const auto coding = trim_spaces(element.substr(0, semicolon));
    if (!is_token(coding)) return bad_request("invalid Transfer-Encoding");
    chunked = iequals(coding, "chunked");
    if (chunked && semicolon != std::string_view::npos) return bad_request("chunked takes no parameters");
    if (!chunked) facts.unknown_coding = true;
  } while (list.data() != nullptr);
  return kStateDone;
}

Outcome apply_transfer_encoding(std::string_view value, Request& request, HeadFacts& facts) {
  if (std::exchange(facts.has_transfer_encoding, true)) {
    return bad_request("more than one Transfer-Encoding");
  }
  if (facts.has_length) return bad_request("Content-Length with Transfer-Encoding");
  if (request.minor == 0) return bad_request("Transfer-Encoding in HTTP/1.0");
  return read_codings(value, facts);
}

Outcome apply_connection(std::string_view list, HeadFacts& facts) {
  while (!list.empty()) {
    const auto option = take_element(list);
    if (option.empty()) continue;
    if (iequals(option, "keep-alive")) {
      facts.keep_alive = true;
    } else if (iequals(option, "close")) {
      facts.close = true;
    } else if (!is_token(option)) {
      return bad_request("invalid Connection");
    }
  }
  return kStateDone;
}

void apply_expect(std::string_view value, HeadFacts& facts) {
  (iequals(value, "100-continue") ? facts.expects_continue : facts.unknown_expectation) = true;
}

}  // namespace

Outcome apply_field(const Field& field, Request& request, HeadFacts& facts) {
  // The length alone rules out almost every other field, without a look at its bytes.
  switch (field.name.size()) {
    case 4:
      if (iequals(field.name, "host")) return apply_host(field.value, request, facts);
      break;
    case 6:
      if (iequals(field.name, "expect")) apply_expect(field.value, facts);
      break;
    case 10:
      if (iequals(field.name, "connection")) return apply_connection(field.value, facts);
      break;
    case 14:
      if (iequals(field.name, "content-length")) return apply_content_length(field.value, request, facts);
      break;
    case 17:
      if (iequals(field.name, "transfer-encoding")) {
        return apply_transfer_encoding(field.value, request, facts);
      }
      break;
    default: break;
  }
  return kStateDone;
}

Outcome finish_head(const HeadFacts& facts, Request& request) {
  const bool is_1_0 = request.minor == 0;
  if (!facts.has_host && !is_1_0) return bad_request("Host missing");
  if (facts.unknown_coding) return refuse(501, "unknown transfer coding");
  // RFC 9110 10.1.1: an HTTP/1.0 client cannot have meant it.
  if (facts.unknown_expectation && !is_1_0) return refuse(417, "unknown expectation");

  request.keep_alive = !facts.close && (facts.keep_alive || !is_1_0);
  if (facts.has_transfer_encoding) {
    request.framing = BodyFraming::kChunked;
  } else if (facts.has_length) {
    request.framing = BodyFraming::kLength;
  }
  const bool has_body = request.framing == BodyFraming::kChunked || request.content_length > 0;
  request.expect_continue = facts.expects_continue && has_body && !is_1_0;
  return kStateDone;
}

}  // namespace baton::http
