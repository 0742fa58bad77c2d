// An exception leaves the initialiser of a static variable.
#include <stdexcept>

#include "tests/modules/module.h"

namespace {

int connect() {
  throw std::runtime_error("no connection while loading");
}

const int kConnection = connect();

}  // namespace

const baton_module* baton_module_entry() {
  return kConnection != 0 ? nullptr : nullptr;
}
