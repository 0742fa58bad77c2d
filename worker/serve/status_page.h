// The pages of a route with `status = true`.
#pragma once

#include <string>

#include "common/shared/segment.h"

namespace baton::serve {

// The document of `batonctl stats --json`, on one line. application/json, always valid UTF-8.
std::string status_json(const Segment& segment);

// The same numbers as a page of its own (no other file is fetched) that renews itself every two seconds, by
// script or, without scripts, by reloading. text/html; charset=utf-8. Request lines are shown as sent,
// escaped: a route that is open to everybody shows everybody's.
std::string status_html(const Segment& segment);

}  // namespace baton::serve
