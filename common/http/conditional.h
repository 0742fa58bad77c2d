// Conditional requests (RFC 9110 13).
#pragma once

#include <cstdint>
#include <ctime>
#include <string_view>

#include "common/http/request.h"

namespace baton::http {

// The validators of the representation that a GET would be answered with. Where there is none, nothing is
// evaluated.
struct Validators {
  std::string_view etag;     // with its quotes; strong unless it begins with W/; empty: none
  std::time_t modified = 0;  // the Last-Modified time; 0: unknown, and conditions on it are ignored
};

enum class Precondition : std::uint8_t {
  kProceed,
  kNotModified,  // 304; GET and HEAD only
  kFailed,       // 412
};

// Evaluates If-Match, If-Unmodified-Since, If-None-Match and If-Modified-Since in the order of section
// 13.2.2. If-None-Match and If-Match may be repeated. Invalid dates and repeated date fields are ignored.
// "*" counts only when it stands alone. CONNECT, OPTIONS and TRACE always proceed (13.2.1).
Precondition evaluate_preconditions(const Request& request, const Validators& validators, std::time_t now);

// Whether a Range field may be honoured: there is no If-Range, or one that matches strongly (a date must
// equal `modified` and be at least a second older than `now`). A repeated If-Range matches nothing.
bool if_range_allows(const Request& request, const Validators& validators, std::time_t now);

}  // namespace baton::http
