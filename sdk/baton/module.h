// The C++ side of a baton module: the one header to include. Header-only; needs C++20 and nlohmann/json.
//
//     #include <baton/module.h>
//
//     BATON_MODULE(m) {
//       m.get("/hello/:name", [](const baton::Request& q, baton::Response& r) {
//         r.text("Hello " + std::string(q.param("name")) + ".\n");
//       });
//     }
//
//     g++ -std=c++20 -O2 -g -fPIC -shared hello.cpp $(pkg-config --cflags --libs baton) -o hello.so
//
// Each worker loads the module into a thread of its own, and runs BATON_MODULE's body once for each route of
// the configuration that names the file. Handlers run on that thread, one at a time in each worker: so static
// variables need no lock, and each worker has its own. See docs/modules.md.
#pragma once

#include <cxxabi.h>

#include <chrono>
#include <concepts>
#include <cstdint>
#include <cstdlib>
#include <exception>
#include <functional>
#include <limits>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <type_traits>
#include <typeinfo>
#include <utility>
#include <vector>

#include "abi.h"
#include "config.h"
#include "dict.h"
#include "error.h"
#include "form.h"
#include "host.h"
#include "input.h"
#include "literals.h"
#include "log.h"
#include "request.h"
#include "response.h"

namespace baton::inline sdk {

// The options of a route. For one that is not set `module = {..}` of the configuration decides, and if that
// leaves it open as well, [timeouts] and [limits].
struct Options {
  // If a handler runs longer, it is ended together with its worker, and the client gets 504. At least 1 ms;
  // 0ms: no limit.
  std::optional<std::chrono::milliseconds> timeout = std::nullopt;
  // Bytes. A larger body gets 413, and the module is not called.
  std::optional<std::uint64_t> max_body = std::nullopt;
  // 1 to 64: how many workers may be in this handler at a time; further requests get 503 with Retry-After.
  // 0: no limit.
  std::optional<int> max_concurrency = std::nullopt;
  // 0 to 10: how many times an idempotent request is begun again after its worker died, before the client
  // gets 500.
  std::optional<int> retries = std::nullopt;
  // Whether the request may be begun again. If nothing sets this, all methods but POST and PATCH may.
  std::optional<bool> idempotent = std::nullopt;
};

template <typename Callable>
concept Handler = std::invocable<Callable&, const Request&, Response&>;

// The module in the making: BATON_MODULE's body fills it in. Valid as long as the worker lives. Exceptions
// may leave the body and the functions for on_worker_start; then the module is refused with their message.
class Module {
 public:
  Module(const baton_host* host, baton_setup* setup);
  Module(const Module&) = delete;
  Module& operator=(const Module&) = delete;

  // Adds a route for one method. `handler` is called with (const Request&, Response&). The route for GET also
  // answers HEAD. baton itself answers OPTIONS, 404, 405 and 413.
  //
  // `pattern` begins with "/". It is matched with the path behind the configuration's route. A segment is a
  // literal, or ":name" for any one segment; the last may be "*name" for all that remains, also for nothing.
  // For each segment a literal goes before a parameter, and a parameter before the rest: the order of
  // registration does not matter.
  template <Handler Callable>
  void get(std::string_view pattern, Callable handler) {
    route("GET", pattern, {}, std::move(handler));
  }
  template <Handler Callable>
  void get(std::string_view pattern, const Options& options, Callable handler) {
    route("GET", pattern, options, std::move(handler));
  }
  template <Handler Callable>
  void post(std::string_view pattern, Callable handler) {
    route("POST", pattern, {}, std::move(handler));
  }
  template <Handler Callable>
  void post(std::string_view pattern, const Options& options, Callable handler) {
    route("POST", pattern, options, std::move(handler));
  }
  template <Handler Callable>
  void put(std::string_view pattern, Callable handler) {
    route("PUT", pattern, {}, std::move(handler));
  }
  template <Handler Callable>
  void put(std::string_view pattern, const Options& options, Callable handler) {
    route("PUT", pattern, options, std::move(handler));
  }
  template <Handler Callable>
  void patch(std::string_view pattern, Callable handler) {
    route("PATCH", pattern, {}, std::move(handler));
  }
  template <Handler Callable>
  void patch(std::string_view pattern, const Options& options, Callable handler) {
    route("PATCH", pattern, options, std::move(handler));
  }
  template <Handler Callable>
  void del(std::string_view pattern, Callable handler) {
    route("DELETE", pattern, {}, std::move(handler));
  }
  template <Handler Callable>
  void del(std::string_view pattern, const Options& options, Callable handler) {
    route("DELETE", pattern, options, std::move(handler));
  }
  // Adds a route for all of these methods.
  template <Handler Callable>
  void any(std::string_view pattern, Callable handler) {
    route("*", pattern, {}, std::move(handler));
  }
  template <Handler Callable>
  void any(std::string_view pattern, const Options& options, Callable handler) {
    route("*", pattern, options, std::move(handler));
  }
  // Adds a route for a method by its name: "GET", "POST", "PUT", "PATCH", "DELETE" or "*".
  template <Handler Callable>
  void route(std::string_view method, std::string_view pattern, Callable handler) {
    route(method, pattern, {}, std::move(handler));
  }
  template <Handler Callable>
  void route(std::string_view method, std::string_view pattern, const Options& options, Callable handler);

  // Registers a function to be called in each worker before it serves, with the Config or with no argument:
  // the place to connect and to open. If it throws, the worker, and with it the start or reload, is refused
  // for the reason that the exception gives.
  template <typename Callable>
  requires std::invocable<Callable&, const Config&> || std::invocable<Callable&>
  void on_worker_start(Callable callable);

  // Registers a function to be called in each worker that retires, after its last request. It is not called
  // when a worker dies: data that must not be lost must be stored before the handler returns.
  template <std::invocable Callable>
  void on_worker_stop(Callable callable);

  // The `config = {..}` of the route, for a body whose routes depend on it.
  [[nodiscard]] const Config& config() const { return config_; }
  // Writes a line to the error log.
  void log(std::string_view line) const { log::info(line); }

 private:
  // Keeps a value at one address as long as the module lives.
  template <typename Value>
  Value* keep(Value value) {
    auto kept = std::make_shared<Value>(std::move(value));
    kept_.push_back(kept);
    return kept.get();
  }

  const baton_host* host_;
  baton_setup* setup_;
  Config config_;
  std::vector<std::shared_ptr<void>> kept_;
};

namespace detail {

// Returns "std::out_of_range: map::at". Of a plain std::runtime_error only the message: it is written for
// people.
inline std::string describe(const std::exception& exception) {
  if (typeid(exception) == typeid(std::runtime_error)) return exception.what();
  int status = 0;
  const std::unique_ptr<char, void (*)(void*)> name(
      abi::__cxa_demangle(typeid(exception).name(), nullptr, nullptr, &status), std::free);
  return std::string(name ? name.get() : typeid(exception).name()) + ": " + exception.what();
}

// Runs `body`; an exception that it throws is described to `refused` and makes this false.
template <typename Body, typename Refused>
bool contained(Body&& body, Refused&& refused) {
  try {
    body();
    return true;
  } catch (const std::exception& exception) {
    refused(describe(exception));
  } catch (...) {
    refused("an exception that is no std::exception");
  }
  return false;
}

// The function that baton calls. No exception may enter baton, which is C here: one that gets past
// `contained` ends the worker.
template <typename Callable>
void call_handler(void* user, const baton_request* c_request, baton_response* c_response) noexcept {
  const Request request(*c_request);
  Response response(c_response);
  const auto fail = [&](std::string_view reason) { host->fail(c_response, text(reason)); };
  contained(
      [&] {
        try {
          std::invoke(*static_cast<Callable*>(user), request, response);
        } catch (const HttpError& error) {
          if (response.streams()) throw;
          response.error(error.status(), error.what());
        }
      },
      fail);
}

template <typename Callable>
struct StartCall {
  Callable callable;
  const Config* config;
  baton_setup* setup;

  static int call(void* user) noexcept {
    auto& start = *static_cast<StartCall*>(user);
    const auto refused = [&](std::string_view reason) { host->setup_failed(start.setup, text(reason)); };
    const bool started = contained(
        [&] {
          if constexpr (std::invocable<Callable&, const Config&>) {
            std::invoke(start.callable, *start.config);
          } else {
            std::invoke(start.callable);
          }
        },
        refused);
    return started ? 0 : 1;
  }
};

template <typename Callable>
void call_stop(void* user) noexcept {
  contained([&] { std::invoke(*static_cast<Callable*>(user)); },
            [](std::string_view reason) { log::error("on_worker_stop: " + std::string(reason)); });
}

template <typename Value>
std::int64_t number_or_unset(const std::optional<Value>& value, const char* name) {
  if (!value) return BATON_UNSET;
  if (std::cmp_less(*value, 0) || std::cmp_greater(*value, std::numeric_limits<std::int64_t>::max())) {
    throw std::out_of_range(std::string(name) + " is out of range");
  }
  return static_cast<std::int64_t>(*value);
}

}  // namespace detail

inline Module::Module(const baton_host* host, baton_setup* setup)
    : host_(host),
      setup_(setup),
      config_(nlohmann::json::parse(detail::view(host->config(setup))),
              std::string(detail::view(host->config_folder(setup)))) {}

template <Handler Callable>
void Module::route(std::string_view method, std::string_view pattern, const Options& options,
                   Callable handler) {
  std::optional<std::int64_t> timeout;
  if (options.timeout) timeout = options.timeout->count();
  baton_route route{};
  route.struct_size = sizeof route;
  route.method = detail::text(method);
  route.pattern = detail::text(pattern);
  route.handler = &detail::call_handler<Callable>;
  route.user = keep(std::move(handler));
  route.timeout_ms = detail::number_or_unset(timeout, "timeout");
  route.max_body = detail::number_or_unset(options.max_body, "max_body");
  route.max_concurrency = detail::number_or_unset(options.max_concurrency, "max_concurrency");
  route.retries = detail::number_or_unset(options.retries, "retries");
  route.idempotent = options.idempotent ? static_cast<std::int64_t>(*options.idempotent) : BATON_UNSET;
  host_->add_route(setup_, &route);
}

template <typename Callable>
requires std::invocable<Callable&, const Config&> || std::invocable<Callable&>
void Module::on_worker_start(Callable callable) {
  using Call = detail::StartCall<Callable>;
  host_->on_worker_start(setup_, &Call::call, keep(Call{std::move(callable), &config_, setup_}));
}

template <std::invocable Callable>
void Module::on_worker_stop(Callable callable) {
  host_->on_worker_stop(setup_, &detail::call_stop<Callable>, keep(std::move(callable)));
}

namespace detail {

// One for each route of the configuration that names the module. Hidden for the same reason as `host`.
[[gnu::visibility("hidden")]] inline std::vector<std::unique_ptr<Module>> modules;

template <void (*Body)(Module&)>
int set_up(const baton_host* new_host, baton_setup* setup) noexcept {
  host = new_host;
  const bool made = contained([&] { Body(*modules.emplace_back(std::make_unique<Module>(new_host, setup))); },
                              [&](std::string_view reason) { new_host->setup_failed(setup, text(reason)); });
  return made ? 0 : 1;
}

template <void (*Body)(Module&)>
constexpr baton_module description{sizeof(baton_module), BATON_ABI_MAJOR, BATON_ABI_MINOR, &set_up<Body>};

}  // namespace detail
}  // namespace baton::inline sdk

// Defines the function that baton looks for in the module. Use it once in a module, outside of any namespace,
// followed by the body; `name` is the Module&. From here on the suffixes of <chrono> and of sizes (16_KiB,
// 10_MiB, 1_GiB) can be used.
// NOLINTBEGIN(bugprone-macro-parentheses): `name` is a name
#define BATON_MODULE(name)                                    \
  using namespace ::baton::literals;                          \
  static void baton_module_body(::baton::Module& name);       \
  extern "C" const baton_module* baton_module_entry(void) {   \
    return &::baton::detail::description<&baton_module_body>; \
  }                                                           \
  static void baton_module_body([[maybe_unused]] ::baton::Module& name)
// NOLINTEND(bugprone-macro-parentheses)
