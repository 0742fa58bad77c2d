// The budget for spooled bodies and responses, from what the configuration says or the machine has.
#pragma once

#include "common/config/config.h"
#include "common/shared/spool_budget.h"

namespace baton {

// Where the configuration leaves it open: a quarter of the memory, and half of what is free in the spool's
// folder, what is spooled there already included. At the start, and with each new configuration.
void set_spool_limits(SpoolLimits& limits, const SpoolBudget& budget, const Config& config);

}  // namespace baton
