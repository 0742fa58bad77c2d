// Conditional requests (RFC 9110 13).
#pragma once

#include <cstdint>
#include <ctime>
#include <string_view>

#include "worker/http/request.h"

namespace baton::http {

struct Validators {
  std::string_view etag;  // with its quotes; strong unless it begins with W/
  std::time_t modified = 0;
};

enum class Precondition : std::uint8_t { kProceed, kNotModified, kFailed };

// Evaluates If-Match, If-Unmodified-Since, If-None-Match and If-Modified-Since in the order of RFC
// 9110 13.2.2. The If-None-Match and If-Match fields may stand several times. Invalid dates are ignored.
Precondition evaluate_preconditions(const Request& request, const Validators& validators, std::time_t now);

// Whether a Range field may be honoured: no If-Range, or one that matches strongly (a date must equal
// `modified` and be at least a second older than `now`).
bool if_range_allows(const Request& request, const Validators& validators, std::time_t now);

}  // namespace baton::http
