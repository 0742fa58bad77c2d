// The modules of one worker: loads them, and runs their handlers on the app thread.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/base/address.h"
#include "common/config/config.h"
#include "common/http/request.h"
#include "worker/app/app_thread.h"
#include "worker/app/host_dicts.h"
#include "worker/app/module.h"
#include "worker/app/response.h"
#include "worker/route/router.h"

namespace baton::app {

// A request as a handler sees it. All views are valid during the call.
struct Call {
  const http::Request& request;
  const Peer& peer;
  std::string_view path;   // normalized
  std::string_view mount;  // serve::Route::prefix
  const RouteTable::Match& match;
  std::string_view body;
};

// One per worker, and one at most in a process. For the event thread, but what is said of the app thread.
class ModuleHost {
 public:
  // Makes the app thread where a route has a module, loads the modules, and has them set up. Throws
  // ModuleError or std::runtime_error: this configuration cannot be served. `to_go`: whether the worker is to
  // go; any thread calls it. Each thing that may be the end of the process is told to `note` before, and ""
  // when it was not, here and by start().
  using Note = std::function<void(const std::string&)>;
  ModuleHost(
      const Config& config, const serve::Router& router, OpenDicts dicts = {},
      std::function<bool()> to_go = {}, Note note = [](const std::string&) {});
  ModuleHost(const ModuleHost&) = delete;
  ModuleHost& operator=(const ModuleHost&) = delete;
  ~ModuleHost();

  // What modules do before and after a worker serves. start() throws ModuleError.
  void start();
  void stop();

  // What two modules share that should have one each, a sentence for each two of them. Empty: nothing.
  [[nodiscard]] std::vector<std::string> shared_symbols() const;

  // The module of a route; null when the route has none.
  [[nodiscard]] const Module* find(const serve::Route& route) const;

  // Runs a handler. `reply` is reset; what the handler makes of it is told by the Response.
  Response run(const Endpoint& endpoint, const Call& call, http::Reply& reply, ResponseSink& sink);

  // How long the last of them took.
  [[nodiscard]] std::uint64_t last_run_ns() const { return last_run_ns_; }

  // Why no handler begins on the event thread; empty where they may, and where there are no modules.
  [[nodiscard]] const std::string& obstacle() const;

  // 0: there is none. For the crash handler.
  [[nodiscard]] pid_t app_thread() const { return thread_ ? thread_->id() : 0; }

 private:
  void load_all();
  template <typename Action>
  void for_each_module(const char* what, Action action);

  std::vector<std::unique_ptr<Module>> by_route_;  // by Route::number; most are null
  Module::Numbers next_;
  std::uint64_t last_run_ns_ = 0;
  baton_host functions_;
  AppThread* thread_ = nullptr;  // as long as the process, also when the constructor throws
  std::vector<baton_pair> headers_;
  Note note_;
};

}  // namespace baton::app
