// A module that logs with spdlog, all that a program of its own may do to it included. It uses the shared
// library.
#include <spdlog/sinks/basic_file_sink.h>
#include <spdlog/spdlog.h>

#include "tests/modules/module.h"

namespace {

using namespace test_module;

void log_by_default(void*, const baton_request*, baton_response* r) {
  spdlog::info("a line of the module's own");
  spdlog::default_logger()->flush();
  host->set_body(r, text("logged"));
}

// Takes the next descriptors, which have the numbers of baton's logs in the other table.
void open_files(void*, const baton_request*, baton_response* r) {
  std::string numbers;
  for (int i = 0; i < 40; ++i) {
    const std::string name = "database-" + std::to_string(i);
    numbers += std::to_string(::open(path_of(name).c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644)) + ' ';
  }
  host->set_body(r, text(numbers));
}

void set_default(void*, const baton_request*, baton_response* r) {
  spdlog::set_default_logger(spdlog::basic_logger_mt("own", path_of("module.log")));
  spdlog::set_level(spdlog::level::off);
  host->set_body(r, text("set"));
}

void drop_all(void*, const baton_request*, baton_response* r) {
  spdlog::drop_all();
  host->set_body(r, text("dropped"));
}

void shut_down(void*, const baton_request*, baton_response* r) {
  spdlog::shutdown();
  host->set_body(r, text("shut down"));
}

int setup(const baton_host* functions, baton_setup* setup) {
  begin(functions, setup);
  add(setup, route("GET", "/log", log_by_default));
  add(setup, route("GET", "/open", open_files));
  add(setup, route("GET", "/set", set_default));
  add(setup, route("GET", "/drop", drop_all));
  add(setup, route("GET", "/shutdown", shut_down));
  add(setup, route("GET", "/say/:text", say));
  return 0;
}

constexpr baton_module kModule{sizeof(baton_module), BATON_ABI_MAJOR, BATON_ABI_MINOR, setup};

}  // namespace

const baton_module* baton_module_entry() {
  return &kModule;
}
