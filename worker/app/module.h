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

// Why a module cannot be used; for people.
struct ModuleError : std::runtime_error {
  using std::runtime_error::runtime_error;
};

// Whether it is worth while to begin a handler on the event thread (worker/app/borrowed_thread.h). It costs a signal
// if the handler makes a system call after all, so it is not tried for a while then, and longer every time.
class SyscallBackoff {
 public:
  // Counts.
  bool expected() { return pause_left_ == 0 || --pause_left_ == 0; }
  void was(bool quiet) {
    pause_ = quiet ? std::max(pause_ / 2, 1U) : std::min(pause_ * 2, kLongestPause);
    pause_left_ = quiet ? 0 : pause_;
  }

 private:
  static constexpr std::uint32_t kLongestPause = 1'024;  // requests
  std::uint32_t pause_ = 1;
  std::uint32_t pause_left_ = 0;
};

// A handler, with what holds for its requests: said by itself, by its route in the configuration or by that
// as a whole.
struct Endpoint {
  baton_handler call = nullptr;
  void* user = nullptr;
  std::uint32_t limit_ms = 0;  // 0: not limited
  std::uint64_t max_body = 0;
  std::uint32_t max_concurrency = 0;  // 0: not limited
  std::uint32_t number = 0;           // of all handlers of the worker
  std::uint32_t permit_set = 0;       // with a limit: number of it, see common/shared/permits.h
  std::uint32_t retries = 0;
  std::optional<bool> idempotent;  // nothing: as the method says

  // Whether it is run near the event thread (worker/app/app_thread.h): it is while its runs are short, all in
  // all.
  static constexpr std::uint64_t kShortNs = 200'000;
  static constexpr std::uint32_t kKnownAsShort = 8;
  mutable std::uint32_t short_runs = 0;  // one after the other; counts up to kKnownAsShort
  mutable SyscallBackoff backoff;
};

// Everything here is for the app thread, but the const members, which are frozen once load() has returned.
class Module {
 public:
  // Of all modules of a worker, so that those of another one come to the same numbers.
  struct Numbers {
    std::uint32_t handlers = 0;
    std::uint32_t permit_sets = 0;
  };
  Module(const ModuleConfig& config, const Config& defaults, std::shared_ptr<const ModuleImage> image,
         Numbers& next);
  Module(const Module&) = delete;
  Module& operator=(const Module&) = delete;

  // Loads the code and has it say what it offers. Throws ModuleError.
  void load(const baton_host& host);
  // What it wants to be called before the worker serves. Throws ModuleError.
  void start();
  // And after it has served.
  void stop();

  [[nodiscard]] const RouteTable& routes() const { return routes_; }
  [[nodiscard]] const Endpoint& endpoint(RouteTable::Handler handler) const { return endpoints_[handler]; }
  [[nodiscard]] const std::string& path() const { return image_->path(); }
  // For dlsym(3), once it is loaded; and the name that the loader has for it.
  [[nodiscard]] void* handle() const { return handle_; }
  [[nodiscard]] std::string loaded_as() const;

  // For the functions of baton_host.
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
