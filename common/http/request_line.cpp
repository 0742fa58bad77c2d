#include "common/http/request_line.h"

#include <algorithm>
#include <optional>

#include "common/http/chars.h"

namespace baton::http {
namespace {

std::string_view view(const char* begin, const char* end) {
  return {begin, static_cast<std::size_t>(end - begin)};
}

Outcome read_method(Cursor& in, Request& request) {
  const char* const stop = skip_chars(in.at, in.end, kTokenChar);
  if (stop == in.end) return kNeedMoreBytes;
  if (*stop != ' ' || stop == in.at) return bad_request("malformed method");
  request.method_text = view(in.at, stop);
  in.at = stop + 1;
  return kStateDone;
}

// Decoding a path or a query must never yield a NUL, because a NUL would end a file name early.
bool has_encoded_nul(std::string_view target) {
  return target.find("%00") != std::string_view::npos;
}

Outcome read_target(Cursor& in, const ParserLimits& limits, Request& request) {
  const auto arrived = static_cast<std::size_t>(in.end - in.at);
  const auto window = std::min(arrived, limits.target_bytes + 1);
  const char* const stop = skip_target(in.at, in.at + window);
  const auto target = view(in.at, stop);
  if (target.size() > limits.target_bytes) return refuse(414, "target too long");
  if (stop == in.end) return kNeedMoreBytes;
  if (*stop != ' ' || target.empty()) return bad_request("malformed target");
  if (has_encoded_nul(target)) return bad_request("NUL in target");
  request.target = target;
  in.at = stop + 1;
  return kStateDone;
}

Outcome read_version(Cursor& in, Version& version) {
  constexpr std::string_view kUsual = "HTTP/1.1\r\n";
  const auto arrived = view(in.at, in.end);
  if (arrived.starts_with(kUsual)) {
    in.at += kUsual.size();
    return kStateDone;
  }
  constexpr std::string_view kForm = "HTTP/d.d\r\n";
  for (std::size_t i = 0; i < kForm.size(); ++i) {
    if (i == arrived.size()) return kNeedMoreBytes;
    const bool fits = kForm[i] == 'd' ? is_digit(arrived[i]) : arrived[i] == kForm[i];
    if (!fits) return bad_request("malformed version");
  }
  version = {arrived[5] - '0', arrived[7] - '0'};
  in.at += kForm.size();
  return kStateDone;
}

std::optional<Method> known_method(std::string_view text) {
  switch (text.size()) {
    case 3:
      if (text == "GET") return Method::kGet;
      if (text == "PUT") return Method::kPut;
      break;
    case 4:
      if (text == "HEAD") return Method::kHead;
      if (text == "POST") return Method::kPost;
      break;
    case 5:
      if (text == "PATCH") return Method::kPatch;
      if (text == "TRACE") return Method::kTrace;
      break;
    case 6:
      if (text == "DELETE") return Method::kDelete;
      break;
    case 7:
      if (text == "OPTIONS") return Method::kOptions;
      if (text == "CONNECT") return Method::kConnect;
      break;
    default: break;
  }
  return std::nullopt;
}

}  // namespace

Outcome read_request_line(Cursor& in, const ParserLimits& limits, Request& request, Version& version) {
  Outcome outcome = read_method(in, request);
  if (outcome.done()) outcome = read_target(in, limits, request);
  if (outcome.done()) outcome = read_version(in, version);
  return outcome;
}

Outcome judge_request_line(const Version& version, Request& request) {
  if (version.major != 1) return refuse(505, "HTTP version not supported");
  request.minor = version.minor == 0 ? 0 : 1;
  const auto method = known_method(request.method_text);
  if (!method) return refuse(501, "unknown method");
  request.method = *method;
  return judge_target(request);
}

}  // namespace baton::http
