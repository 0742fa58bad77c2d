// An exception of a type that says nothing leaves the initialiser of a static variable.
#include "tests/modules/module.h"

namespace odd {
struct Thrown {};
}  // namespace odd

namespace {

int connect() {
  throw odd::Thrown{};
}

const int kConnection = connect();

}  // namespace

const baton_module* baton_module_entry() {
  return kConnection != 0 ? nullptr : nullptr;
}
