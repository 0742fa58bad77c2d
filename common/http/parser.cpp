#include "common/http/parser.h"

#include "common/http/chars.h"
#include "common/http/cursor.h"
#include "common/http/field_rules.h"
#include "common/http/request_line.h"

namespace baton::http {
namespace {

constexpr int kMaxEmptyLines = 4;

void reset(Request& request) {
  request.method = Method::kGet;
  request.request_line = {};
  request.method_text = {};
  request.target = {};
  request.path = {};
  request.query = {};
  request.has_query = false;
  request.host = {};
  request.port = {};
  request.minor = 1;
  request.keep_alive = false;
  request.expect_continue = false;
  request.framing = BodyFraming::kNone;
  request.content_length = 0;
  request.head_bytes = 0;
  request.fields.clear();  // keeps their memory
}

// RFC 9112 2.2: old clients send CRLF after a body. A few are accepted, but an endless row of them is no
// request.
Outcome skip_empty_lines(Cursor& in) {
  for (int lines = 0; in.at != in.end && *in.at == '\r'; ++lines) {
    if (lines == kMaxEmptyLines) return bad_request("too many empty lines");
    const Outcome outcome = take_crlf(in, "bare CR");
    if (!outcome.done()) return outcome;
  }
  return in.at == in.end ? kNeedMoreBytes : kStateDone;
}

Outcome read_field_name(Cursor& in, Field& field) {
  const char* const stop = skip_chars(in.at, in.end, kTokenChar);
  if (stop == in.end) return kNeedMoreBytes;
  if (*stop != ':' || stop == in.at) {
    const bool folded = stop == in.at && is_space(*stop);
    return bad_request(folded ? "white space before a field" : "malformed field name");
  }
  field.name = {in.at, static_cast<std::size_t>(stop - in.at)};
  in.at = stop + 1;
  return kStateDone;
}

Outcome read_field_value(Cursor& in, Field& field) {
  while (in.at != in.end && is_space(*in.at)) ++in.at;
  const char* const begin = in.at;
  in.at = skip_value(begin, in.end);
  const char* end = in.at;
  const Outcome outcome = take_crlf(in, "malformed field value");
  if (!outcome.done()) return outcome;
  while (end != begin && is_space(end[-1])) --end;
  field.value = {begin, static_cast<std::size_t>(end - begin)};
  return kStateDone;
}

// Reads the field lines and the empty line after them.
Outcome read_fields(Cursor& in, const ParserLimits& limits, Request& request, HeadFacts& facts) {
  while (in.at != in.end) {
    if (*in.at == '\r') return take_crlf(in, "bare CR");
    if (request.fields.size() == limits.header_fields) return refuse(431, "too many fields");
    Field field;
    Outcome outcome = read_field_name(in, field);
    if (outcome.done()) outcome = read_field_value(in, field);
    if (outcome.done()) outcome = apply_field(field, request, facts);
    if (!outcome.done()) return outcome;
    request.fields.push_back(field);
  }
  return kNeedMoreBytes;
}

Outcome read_head(Cursor& in, const ParserLimits& limits, Request& request, bool& has_request_line) {
  Version version;
  HeadFacts facts;
  Outcome outcome = skip_empty_lines(in);
  const char* const line = in.at;
  if (outcome.done()) outcome = read_request_line(in, limits, request, version);
  if (!outcome.done()) return outcome;
  request.request_line = {line, static_cast<std::size_t>(in.at - line) - 2};
  has_request_line = true;
  outcome = judge_request_line(version, request);
  if (outcome.done()) outcome = read_fields(in, limits, request, facts);
  if (outcome.done()) outcome = finish_head(facts, request);
  return outcome;
}

}  // namespace

ParseResult parse_head(std::string_view bytes, const ParserLimits& limits, Request& request) {
  reset(request);
  const auto window = bytes.substr(0, limits.header_bytes);
  Cursor in{window.data(), window.data() + window.size()};
  ParseResult result;
  Outcome outcome = read_head(in, limits, request, result.has_request_line);
  if (outcome.status == ParseStatus::kIncomplete && window.size() == limits.header_bytes) {
    outcome = result.has_request_line ? refuse(431, "head too large") : refuse(414, "request line too long");
  }
  if (outcome.done()) request.head_bytes = static_cast<std::size_t>(in.at - window.data());
  result.status = outcome.status;
  result.error = outcome.error;
  result.reason = outcome.reason;
  return result;
}

}  // namespace baton::http
