// Dies in the initialiser of a static variable.
#include <cstdlib>

#include "tests/modules/module.h"

namespace {

int give_up() {
  std::abort();
}

const int kNumber = give_up();

}  // namespace

const baton_module* baton_module_entry() {
  return kNumber != 0 ? nullptr : nullptr;
}
