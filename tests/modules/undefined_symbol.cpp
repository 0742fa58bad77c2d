// Needs a function that nobody has.
#include <baton/abi.h>

#include <string>

namespace baton_test {
int nobody_has_this(const std::string& name, int number);
}

const baton_module* baton_module_entry() {
  return baton_test::nobody_has_this("x", 1) != 0 ? nullptr : nullptr;
}
