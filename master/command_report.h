// Tells batonctl and the readers of the statistics what became of a command.
#pragma once

#include <string>

#include "common/shared/segment.h"

namespace baton {

// Replaces what `report` says; its readers see the old or the new report, never a mixture. Only the master
// may call this.
void publish(CommandReport& report, bool ok, const std::string& message);

}  // namespace baton
