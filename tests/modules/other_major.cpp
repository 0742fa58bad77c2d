// Compiled for another major version.
#include <baton/abi.h>

namespace {

int set_up(const baton_host*, baton_setup*) {
  return 0;
}

constexpr baton_module kModule{sizeof(baton_module), BATON_ABI_MAJOR + 1, 3, set_up};

}  // namespace

const baton_module* baton_module_entry() {
  return &kModule;
}
