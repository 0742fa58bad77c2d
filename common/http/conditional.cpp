#include "common/http/conditional.h"

#include <cstddef>
#include <optional>

#include "common/http/date.h"
#include "common/http/field_list.h"

namespace baton::http {

namespace {

constexpr std::string_view kWeakPrefix = "W/";

enum class Comparison : std::uint8_t { kStrong, kWeak };  // RFC 9110 8.8.3.2

// `own` is well-formed, so a tag that equals it is, too: `theirs` needs no check of its own.
bool tags_match(std::string_view theirs, std::string_view own, Comparison comparison) {
  if (own.empty()) return false;
  if (comparison == Comparison::kStrong) return !own.starts_with(kWeakPrefix) && theirs == own;
  if (theirs.starts_with(kWeakPrefix)) theirs.remove_prefix(kWeakPrefix.size());
  if (own.starts_with(kWeakPrefix)) own.remove_prefix(kWeakPrefix.size());
  return theirs == own;
}

// Whether If-Match or If-None-Match names the representation: by its tag, or by "*" alone.
bool names_current(const Request& request, std::string_view name, std::string_view etag,
                   Comparison comparison) {
  std::size_t elements = 0;
  bool star = false;
  bool match = false;
  for_each_element(
      request, name,
      [&](std::string_view element) {
        ++elements;
        star = element == "*";
        match = match || tags_match(element, etag, comparison);
      },
      Quoting::kEntityTag);
  return match || (star && elements == 1);
}

// The value of a field that may occur only once. Nothing if it is absent or repeated.
std::optional<std::string_view> single_field(const Request& request, std::string_view name) {
  std::optional<std::string_view> value;
  for (const Field& field : request.fields) {
    if (!iequals(field.name, name)) continue;
    if (value) return std::nullopt;
    value = field.value;
  }
  return value;
}

// Whether the date field holds a date before the last modification. Nothing if the field has to be ignored.
std::optional<bool> modified_since(const Request& request, std::string_view name,
                                   const Validators& validators, std::time_t now) {
  const std::optional<std::string_view> value = single_field(request, name);
  if (!value || validators.modified == 0) return std::nullopt;
  const std::optional<std::time_t> date = parse_date(*value, now);
  if (!date) return std::nullopt;
  return validators.modified > *date;
}

bool selects_representation(Method method) {
  return method != Method::kConnect && method != Method::kOptions && method != Method::kTrace;
}

}  // namespace

Precondition evaluate_preconditions(const Request& request, const Validators& validators, std::time_t now) {
  if (!selects_representation(request.method)) return Precondition::kProceed;
  const bool reads = request.method == Method::kGet || request.method == Method::kHead;

  if (request.has_field("if-match")) {
    if (!names_current(request, "if-match", validators.etag, Comparison::kStrong))
      return Precondition::kFailed;
  } else if (modified_since(request, "if-unmodified-since", validators, now).value_or(false)) {
    return Precondition::kFailed;
  }

  if (request.has_field("if-none-match")) {
    if (names_current(request, "if-none-match", validators.etag, Comparison::kWeak)) {
      return reads ? Precondition::kNotModified : Precondition::kFailed;
    }
  } else if (reads && !modified_since(request, "if-modified-since", validators, now).value_or(true)) {
    return Precondition::kNotModified;
  }
  return Precondition::kProceed;
}

bool if_range_allows(const Request& request, const Validators& validators, std::time_t now) {
  if (!request.has_field("if-range")) return true;
  const std::optional<std::string_view> value = single_field(request, "if-range");
  if (!value) return false;
  if (value->starts_with('"') || value->starts_with(kWeakPrefix)) {
    return tags_match(*value, validators.etag, Comparison::kStrong);
  }
  // A file may change twice within one second. Only when that second is over does its date stand for one
  // content.
  if (validators.modified == 0 || validators.modified >= now) return false;
  return parse_date(*value, now) == validators.modified;
}

}  // namespace baton::http
