// Lists, and all that is read out of them. Elements lie inside the field, in order, and are never empty or
// padded.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <ctime>
#include <iterator>
#include <string_view>

#include "common/http/chars.h"
#include "common/http/conditional.h"
#include "common/http/field_list.h"
#include "common/http/negotiate.h"

namespace {

using baton::http::Method;
using baton::http::Precondition;
using baton::http::Quoting;
using baton::http::Request;

void check_pieces(std::string_view text, Quoting quoting) {
  const char* at = text.data();
  const char* const end = text.data() + text.size();
  baton::http::for_each_piece(text, ',', quoting, [&](std::string_view piece) {
    if (piece.empty() || baton::http::trim_spaces(piece) != piece) std::abort();
    if (piece.data() < at || piece.data() + piece.size() > end) std::abort();
    at = piece.data() + piece.size();
  });
}

// The input's lines become fields; the first byte of each line chooses the name.
Request make_request(std::string_view input) {
  constexpr std::string_view kNames[] = {"accept",        "accept-encoding",   "if-match",
                                         "if-none-match", "if-modified-since", "if-unmodified-since",
                                         "if-range"};
  Request request;
  while (!input.empty() && request.fields.size() < 100) {
    const std::string_view line = input.substr(0, input.find('\n'));
    input.remove_prefix(line.size() < input.size() ? line.size() + 1 : line.size());
    if (line.empty()) continue;
    const std::string_view name = kNames[static_cast<unsigned char>(line[0]) % std::size(kNames)];
    request.fields.push_back({name, baton::http::trim_spaces(line.substr(1))});
  }
  return request;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t length) {
  const std::string_view input(reinterpret_cast<const char*>(data), length);
  check_pieces(input, Quoting::kQuotedString);
  check_pieces(input, Quoting::kEntityTag);

  Request request = make_request(input);
  baton::http::accepted_codings(request);
  baton::http::prefers_json(request);
  constexpr std::time_t kModified = 784'111'777;
  constexpr std::time_t kNow = 1'767'225'600;
  for (const std::string_view etag : {"\"a\"", "W/\"a\"", ""}) {
    for (const Method method : {Method::kGet, Method::kPut}) {
      request.method = method;
      const Precondition result = evaluate_preconditions(request, {etag, kModified}, kNow);
      if (method == Method::kPut && result == Precondition::kNotModified) std::abort();
      const bool conditional = request.has_field("if-match") || request.has_field("if-none-match") ||
                               request.has_field("if-modified-since") ||
                               request.has_field("if-unmodified-since");
      if (!conditional && result != Precondition::kProceed) std::abort();
      const bool ranged = if_range_allows(request, {etag, kModified}, kNow);
      if (!request.has_field("if-range") && !ranged) std::abort();
    }
  }
  return 0;
}
