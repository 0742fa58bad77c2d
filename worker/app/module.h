// One loaded module, as one route of the configuration sees it.
#pragma once

#include <algorithm>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <vector>

#include "common/config/config.h"
#include "sdk/baton/abi.h"
#include "worker/app/route_table.h"
#include "worker/route/module_image.h"

namespace baton::app {

// Says, for people, why a module cannot be used.
struct ModuleError : std::runtime_error {
  using std::runtime_error::runtime_error;
};

// Decides whether to begin a handler on the event thread (worker/app/borrowed_thread.h). If the handler then
// makes a system call, that costs a signal. So after each vain try the next try waits for twice as many
// requests; after each try that paid, for half as many.
class SyscallBackoff {
 public:
  // Whether to try now. Call once for each request: it counts them.
  bool expected() { return pause_left_ == 0 || --pause_left_ == 0; }
  // The result of a try. `quiet`: the handler has made no system call.
  void was(bool quiet) {
    pause_ = quiet ? std::max(pause_ / 2, 1U) : std::min(pause_ * 2, kLongestPause);
    pause_left_ = quiet ? 0 : pause_;
  }

 private:
  static constexpr std::uint32_t kLongestPause = 1'024;  // requests
  std::uint32_t pause_ = 1;
  std::uint32_t pause_left_ = 0;
};

// A handler, with the settings for its requests. Each setting comes from the module, else from the route in
// the configuration, else from the configuration as a whole.
struct Endpoint {
  baton_handler call = nullptr;
  void* user = nullptr;
  std::uint32_t limit_ms = 0;  // 0: not limited
  std::uint64_t max_body = 0;
  std::uint32_t max_concurrency = 0;  // 0: not limited
  std::uint32_t number = 0;           // counts all handlers of the worker
  std::uint32_t permit_set = 0;       // if there is a limit: the number of its set, common/shared/permits.h
  std::uint32_t retries = 0;
  std::optional<bool> idempotent;  // nothing: as the method says

  // After kKnownAsShort runs in a row that were shorter than kShortNs, the handler runs near the event thread
  // (AppThread::run()).
  static constexpr std::uint64_t kShortNs = 200'000;
  static constexpr std::uint32_t kKnownAsShort = 8;
  mutable std::uint32_t short_runs = 0;  // in a row; counts up to kKnownAsShort
  mutable SyscallBackoff backoff;
};

// For the app thread. Const members are also for the event thread: what they read is frozen once load() has
// returned.
class Module {
 public:
  // The next numbers for handlers and permit sets, over all modules of a worker. Every worker of a generation
  // comes to the same numbers.
  struct Numbers {
    std::uint32_t handlers = 0;
    std::uint32_t permit_sets = 0;
  };
  Module(const ModuleConfig& config, const Config& defaults, std::shared_ptr<const ModuleImage> image,
         Numbers& next);
  Module(const Module&) = delete;
  Module& operator=(const Module&) = delete;

  // Loads the code, and runs its setup, which adds routes and hooks. Throws ModuleError.
  void load(const baton_host& host);
  // Runs its on_worker_start, before the worker serves. Throws ModuleError.
  void start();
  // Runs its on_worker_stop, after the worker has served.
  void stop();

  [[nodiscard]] const RouteTable& routes() const { return routes_; }
  [[nodiscard]] const Endpoint& endpoint(RouteTable::Handler handler) const { return endpoints_[handler]; }
  [[nodiscard]] const std::string& path() const { return image_->path(); }
  // For dlsym(3), once the module is loaded.
  [[nodiscard]] void* handle() const { return handle_; }
  // The name that the loader has for the module.
  [[nodiscard]] std::string loaded_as() const;

  // Called by functions of baton_host.
  void add_route(const baton_route& route);
  void add_start(int (*call)(void*), void* user) {
    starts_.emplace_back([=] { return call(user); });
  }
  void add_stop(void (*call)(void*), void* user) {
    stops_.emplace_back([=] { call(user); });
  }
  void fail(std::string_view reason);
  [[nodiscard]] const std::string& config() const { return config_.config; }
  [[nodiscard]] const std::string& config_folder() const { return config_folder_; }

 private:
  void* open_image() const;
  void check_version(const baton_module& module) const;
  [[nodiscard]] ModuleError error(const std::string& why) const;
  template <typename Call>
  auto guarded(const char* what, Call call) const;
  void fail_if_complained(const char* otherwise, int result) const;

  const ModuleConfig& config_;
  const Config& defaults_;
  std::shared_ptr<const ModuleImage> image_;
  Numbers& next_;
  void* handle_ = nullptr;  // never closed
  std::string config_folder_;
  RouteTable routes_;
  std::vector<Endpoint> endpoints_;
  std::vector<std::function<int()>> starts_;
  std::vector<std::function<void()>> stops_;
  std::string complaint_;
};

}  // namespace baton::app
