// Cannot be used; why is said by its configuration: { fault = ".." }.
#include <signal.h>

#include <cstdlib>
#include <stdexcept>

#include "tests/modules/module.h"

namespace {

using namespace test_module;

baton_setup* own_setup = nullptr;

void nothing(void*, const baton_request*, baton_response*) {}

int fail_start(void*) {
  host->setup_failed(own_setup, text("no database today"));
  return 1;
}
int fail_start_silently(void*) {
  return 1;
}
int throw_start(void*) {
  throw std::runtime_error("thrown by on_worker_start");
}
int hang_start(void*) {
  count("hangs");
  while (true) ::pause();
}
int crash_start(void*) {
  std::abort();
}

int set_up(const baton_host* functions, baton_setup* setup) {
  begin(functions, setup);
  own_setup = setup;
  const std::string config(view(host->config(setup)));
  const auto fault = [&config](const char* name) {
    return config == R"({"fault":")" + std::string(name) + "\"}";
  };
  if (fault("no-routes")) return 0;
  add(setup, route(fault("method") ? "BREW" : "GET", fault("pattern") ? "no-slash" : "/x", nothing));
  if (fault("twice")) add(setup, route("GET", "/x", nothing));
  if (fault("timeout")) {
    baton_route slow = route("GET", "/slow", nothing);
    slow.timeout_ms = -7;
    add(setup, slow);
  }
  if (fault("setup-fails")) host->setup_failed(setup, text("the setup has its reasons"));
  if (fault("setup-fails")) return 1;
  if (fault("setup-fails-silently")) return 1;
  if (fault("setup-crashes")) ::raise(SIGSEGV);
  if (fault("setup-exits")) std::exit(0);
  if (fault("setup-throws")) throw std::runtime_error("thrown by setup");
  if (fault("start-fails")) host->on_worker_start(setup, fail_start, nullptr);
  if (fault("start-fails-silently")) host->on_worker_start(setup, fail_start_silently, nullptr);
  if (fault("start-throws")) host->on_worker_start(setup, throw_start, nullptr);
  if (fault("start-hangs")) host->on_worker_start(setup, hang_start, nullptr);
  if (fault("start-crashes")) host->on_worker_start(setup, crash_start, nullptr);
  return 0;
}

constexpr baton_module kModule{sizeof(baton_module), BATON_ABI_MAJOR, BATON_ABI_MINOR, set_up};

}  // namespace

const baton_module* baton_module_entry() {
  return &kModule;
}
