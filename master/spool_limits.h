// Sets the budget for spooled bodies and responses, from the configuration or from what the machine has.
#pragma once

#include "common/config/config.h"
#include "common/shared/spool_budget.h"

namespace baton {

// To be called at the start and with each new configuration. Where the configuration sets no limit, the limit
// is a quarter of the machine's memory, and half of the free space in the spool's folder; what is spooled
// there already counts as free.
void set_spool_limits(SpoolLimits& limits, const SpoolBudget& budget, const Config& config);

}  // namespace baton
