// Needs a function that nobody has.
#include <baton/abi.h>

extern "C" int baton_test_nobody_has_this();

const baton_module* baton_module_entry() {
  return baton_test_nobody_has_this() != 0 ? nullptr : nullptr;
}
