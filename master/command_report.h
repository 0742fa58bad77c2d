// Tells batonctl, and whoever looks at the statistics, what became of a command.
#pragma once

#include <string>

#include "common/shared/segment.h"

namespace baton {

// Replaces what `report` says, in one step for those that read it. Master only.
void publish(CommandReport& report, bool ok, const std::string& message);

}  // namespace baton
