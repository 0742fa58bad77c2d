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

// A request as a handler sees it. All views are valid during the call only.
struct Call {
  const http::Request& request;
  const Peer& peer;
  std::string_view path;   // normalized
  std::string_view mount;  // serve::Route::prefix
  const RouteTable::Match& match;
  std::string_view body;
};

// One per worker, and one at most in a process. For the event thread; modules' code runs on the app thread.
class ModuleHost {
 public:
  // If a route has a module: makes the app thread, loads the modules, and has them set up. Throws ModuleError
  // or std::runtime_error if this configuration cannot be served.
  //
  // `to_go` says whether the worker has to go; it is called on any thread. `note` is called before each step
  // that may end the process, with a text that names module and step, and with "" after the last one. start()
  // calls it too.
  using Note = std::function<void(const std::string&)>;
  ModuleHost(
      const Config& config, const serve::Router& router, OpenDicts dicts = {},
      std::function<bool()> to_go = {}, Note note = [](const std::string&) {});
  ModuleHost(const ModuleHost&) = delete;
  ModuleHost& operator=(const ModuleHost&) = delete;
  ~ModuleHost();

  // Run the modules' on_worker_start, before the worker serves, and on_worker_stop, after it has served.
  // start() throws ModuleError.
  void start();
  void stop();

  // A sentence for each two modules that share symbols of which each should have its own. Empty: there are
  // none.
  [[nodiscard]] std::vector<std::string> shared_symbols() const;

  // The module of a route, or null.
  [[nodiscard]] const Module* find(const serve::Route& route) const;

  // Runs a handler, which fills in `reply`; the caller has reset that. The returned Response says where the
  // body is, and whether the handler has failed.
  Response run(const Endpoint& endpoint, const Call& call, http::Reply& reply, ResponseSink& sink);

  // How long the last run() took, in nanoseconds.
  [[nodiscard]] std::uint64_t last_run_ns() const { return last_run_ns_; }

  // Why no handler can begin on the event thread. Empty if they can, and if there are no modules.
  [[nodiscard]] const std::string& obstacle() const;

  // The app thread's id, for the crash handler. 0: there is no app thread.
  [[nodiscard]] pid_t app_thread() const { return thread_ ? thread_->id() : 0; }

 private:
  void load_all();
  template <typename Action>
  void for_each_module(const char* what, Action action);

  std::vector<std::unique_ptr<Module>> by_route_;  // by Route::number; most are null
  Module::Numbers next_;
  std::uint64_t last_run_ns_ = 0;
  baton_host functions_;
  AppThread* thread_ = nullptr;  // lives as long as the process, even if the constructor throws
  std::vector<baton_pair> headers_;
  Note note_;
};

}  // namespace baton::app
