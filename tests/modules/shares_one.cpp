// Shares them, because it is built without the flags of MODULE_CFLAGS. See statics.h.
#define STATICS_LAYOUT 1
#include "tests/modules/statics.h"
