// Its variables are its own. See statics.h.
#define STATICS_LAYOUT 1
#include "tests/modules/statics.h"
