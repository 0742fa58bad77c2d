// Two builds of one module: see version.h.
#include "tests/modules/version.h"

const baton_module* baton_module_entry() {
  return version_module("two");
}
