// Makes the pages of a route with `status = true`.
#pragma once

#include <string>

#include "common/shared/segment.h"

namespace baton::serve {

// The document of `batonctl stats --json`, on one line. application/json, always valid UTF-8.
std::string status_json(const Segment& segment);

// The same numbers as an HTML page, text/html; charset=utf-8. The page fetches no other file. It renews
// itself every two seconds, by script or, without scripts, by reloading. It shows the request lines of all
// clients, escaped: a route that is open to every client shows them to every client.
std::string status_html(const Segment& segment);

}  // namespace baton::serve
