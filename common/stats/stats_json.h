// The statistics as JSON: the documents of `batonctl ... --json` and of the status route. Scripts depend on
// them, so names are only ever added.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>

#include "common/stats/stats.h"

namespace baton {

// Times are seconds with fractions (last_reload.time: Unix time), latencies are microseconds, and null
// stands for what does not exist. The keys are in the order in which people read them.
//
//   stats        {"server": {...}, "totals": {...}, "workers": [...]}
//   workers      the array of `stats`
//   connections  [{"fd", "peer", "state", "worker", "age_s", "requests", "bytes_in", "bytes_out", "request",
//                "phase"}, ...]
nlohmann::ordered_json stats_json(const Snapshot& snapshot);
nlohmann::ordered_json workers_json(const Snapshot& snapshot);
nlohmann::ordered_json connections_json(const Snapshot& snapshot);

// The text of a document; `indent` < 0 puts it on one line. Request lines may hold any bytes: those that
// are not UTF-8 become U+FFFD. Throws only std::bad_alloc.
std::string dump(const nlohmann::ordered_json& document, int indent = -1);

}  // namespace baton
