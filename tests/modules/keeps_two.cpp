// Its variables are its own. See statics.h.
#define STATICS_LAYOUT 2
#include "tests/modules/statics.h"
