// A module with threads of its own that log.
#include <atomic>
#include <thread>
#include <vector>

#include "tests/modules/module.h"

namespace {

using namespace test_module;

std::atomic<int> running{0};

// A line of each level from one thread, which has ended when this returns.
void one(void*, const baton_request* q, baton_response* r) {
  const std::string name(param(*q, "text"));
  std::thread([&name] {
    constexpr std::pair<int, const char*> kLevels[] = {{BATON_LOG_DEBUG, "debug "},
                                                       {BATON_LOG_INFO, "info "},
                                                       {BATON_LOG_WARN, "warn "},
                                                       {BATON_LOG_ERROR, "error "}};
    for (const auto& [level, word] : kLevels) host->log(level, text("of a thread: " + (word + name)));
  }).join();
  host->set_body(r, text("said"));
}

// Lines from several threads, while handlers run.
void many(void*, const baton_request* q, baton_response* r) {
  const std::size_t lines = number(*q, "lines");
  running = 4;
  for (int i = 0; i < 4; ++i) {
    std::thread([i, lines] {
      for (std::size_t n = 0; n < lines; ++n)
        host->log(BATON_LOG_WARN,
                  text("thread " + std::to_string(i) + " line " + std::to_string(n) + " end"));
      --running;
    }).detach();
  }
  host->set_body(r, text("begun"));
}

// Makes no system call, or one by logging.
void quiet(void*, const baton_request*, baton_response* r) {
  host->set_body(r, text(running.load() == 0 ? "over" : "running"));
}
void say_end(void*, const baton_request*, baton_response* r) {
  host->log(BATON_LOG_WARN, text("of the handler end"));
  host->set_body(r, text("said"));
}

int setup(const baton_host* functions, baton_setup* setup) {
  begin(functions, setup);
  add(setup, route("GET", "/one/:text", one));
  add(setup, route("GET", "/many/:lines", many));
  add(setup, route("GET", "/quiet", quiet));
  add(setup, route("GET", "/say", say_end));
  return 0;
}

constexpr baton_module kModule{sizeof(baton_module), BATON_ABI_MAJOR, BATON_ABI_MINOR, setup};

}  // namespace

const baton_module* baton_module_entry() {
  return &kModule;
}
