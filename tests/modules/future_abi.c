/* A module that was compiled for a server that there is not yet. */
#include <baton/abi.h>

static int setup(const baton_host* host, baton_setup* setup) {
  (void)host, (void)setup;
  return 0;
}

const baton_module* baton_module_entry(void) {
  static const baton_module module = {sizeof module, BATON_ABI_MAJOR + 1, 7, setup};
  return &module;
}
