// A module whose start the test holds up or breaks, by files beside the configuration; and that grows.
#include <cstdlib>

#include "tests/modules/module.h"

namespace {

using namespace test_module;

std::string grown;

bool asked_to(std::string_view what) {
  return ::access(path_of(what).c_str(), F_OK) == 0;
}

int start(void*) {
  count("begun");
  while (asked_to("hold")) ::usleep(500);
  if (asked_to("fail")) std::abort();
  return asked_to("refuse") ? 1 : 0;
}

void pid(void*, const baton_request*, baton_response* r) {
  host->set_body(r, text(std::to_string(::getpid())));
}

void grow(void*, const baton_request* q, baton_response* r) {
  grown.assign(number(*q, "mib") << 20, 'x');
  pid(nullptr, q, r);
}

void gate(void*, const baton_request* q, baton_response* r) {
  const std::string name(param(*q, "name"));
  count("entered-" + name);
  await("open-" + name);
  pid(nullptr, q, r);
}

int set_up(const baton_host* functions, baton_setup* setup) {
  begin(functions, setup);
  host->on_worker_start(setup, start, nullptr);
  add(setup, route("GET", "/pid", pid));
  add(setup, route("GET", "/grow/:mib", grow));
  add(setup, route("GET", "/gate/:name", gate));
  return 0;
}

constexpr baton_module kModule{sizeof(baton_module), BATON_ABI_MAJOR, BATON_ABI_MINOR, set_up};

}  // namespace

const baton_module* baton_module_entry() {
  return &kModule;
}
