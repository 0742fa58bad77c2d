// The statistics as text for people.
#pragma once

#include <string>

#include "common/stats/stats.h"
#include "ctl/table.h"

namespace baton::ctl {

// Each returns whole lines. With `before`, an earlier snapshot of the same server, they show rates a second
// between the two snapshots; without it, totals since the start.
std::string stats_view(const Snapshot& now, const Snapshot* before, const Display& display);
std::string workers_view(const Snapshot& now, const Snapshot* before, const Display& display);
std::string connections_view(const Snapshot& now, const Snapshot* before, const Display& display);

}  // namespace baton::ctl
