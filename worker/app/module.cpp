#include "worker/app/module.h"

#include <cxxabi.h>
#include <dlfcn.h>

#include <array>
#include <exception>
#include <filesystem>
#include <utility>

#include "common/base/demangle.h"
#include "common/shared/permits.h"
#include "worker/app/text.h"
#include "worker/process/crash_handler.h"

namespace baton::app {

namespace {

std::string version(unsigned major, unsigned minor) {
  return std::to_string(major) + "." + std::to_string(minor);
}

// Puts the C++ name in front of each linker name in a message of the loader.
std::string readable(const std::string& text) {
  constexpr std::string_view kOfNames = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_.$";
  std::string out;
  std::size_t from = 0;
  for (std::size_t at = 0; (at = text.find("_Z", from)) != std::string::npos;) {
    const std::size_t end = std::min(text.find_first_not_of(kOfNames, at), text.size());
    const std::string name = text.substr(at, end - at);
    const std::string of_people = demangled(name);
    out.append(text, from, at - from).append(of_people);
    if (of_people != name) out.append(" (").append(name).append(")");
    from = end;
  }
  return out + text.substr(from);
}

// `methods` becomes the method, or all of them for "*". False: a module cannot offer this method.
bool read_method(std::string_view name, RouteTable::Methods& methods) {
  using http::Method;
  constexpr std::array<std::pair<std::string_view, Method>, 6> kMethods{{{"GET", Method::kGet},
                                                                         {"HEAD", Method::kHead},
                                                                         {"POST", Method::kPost},
                                                                         {"PUT", Method::kPut},
                                                                         {"DELETE", Method::kDelete},
                                                                         {"PATCH", Method::kPatch}}};
  methods.reset();
  if (name == "*") return true;
  for (const auto& [known, method] : kMethods) {
    if (name == known) methods = method;
  }
  return methods.has_value();
}

// Takes the handler's own value if it has set one, else the fallback. False: the own value is out of range.
template <typename T, typename Fallback>
bool choose(T& chosen, std::int64_t own, std::int64_t least, std::int64_t most, Fallback fallback) {
  if (own == BATON_UNSET) {
    chosen = static_cast<T>(fallback);
    return true;
  }
  chosen = static_cast<T>(own);
  return own >= least && own <= most;
}

}  // namespace

Module::Module(const ModuleConfig& config, const Config& defaults, std::shared_ptr<const ModuleImage> image,
               Numbers& next)
    : config_(config),
      defaults_(defaults),
      image_(std::move(image)),
      next_(next),
      config_folder_(std::filesystem::path(defaults.file).parent_path().string()) {}

ModuleError Module::error(const std::string& why) const {
  return ModuleError("the module " + image_->path() + ": " + why);
}

void Module::fail(std::string_view reason) {
  if (complaint_.empty()) complaint_ = reason.empty() ? "it gives no reason" : reason;
}

void Module::fail_if_complained(const char* otherwise, int result) const {
  if (!complaint_.empty()) throw error(complaint_);
  if (result != 0) throw error(otherwise);
}

// The loader tells objects apart by the name that it was given, and by the inode. Each image has its own name
// and inode. "self" in the name is the process, so the event thread, whose descriptor table has the images
// open; it works for this thread too, which has left that table. The crash handler reads the number from the
// name.
void* Module::open_image() const {
  const std::string path = loaded_as();
  name_image(image_->fd(), image_->path());
  void* const handle = ::dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (handle == nullptr) {
    std::string why = ::dlerror();
    if (why.starts_with(path + ": ")) why.erase(0, path.size() + 2);
    throw error("cannot be loaded: " + readable(why));
  }
  return handle;
}

std::string Module::loaded_as() const {
  return "/proc/self/fd/" + std::to_string(image_->fd());
}

// Makes a ModuleError of an exception that leaves the module's code.
template <typename Call>
auto Module::guarded(const char* what, Call call) const {
  try {
    return call();
  } catch (const ModuleError&) {
    throw;
  } catch (const std::exception& exception) {
    throw error(std::string("an exception leaves ") + what + ": " + exception.what());
  } catch (const abi::__forced_unwind&) {  // pthread_exit
    throw;
  } catch (...) {
    const std::type_info* const type = abi::__cxa_current_exception_type();
    throw error(std::string("an exception leaves ") + what + ", of type " +
                (type == nullptr ? "unknown" : demangled(type->name())));
  }
}

void Module::check_version(const baton_module& module) const {
  if (module.abi_major == BATON_ABI_MAJOR && module.abi_minor <= BATON_ABI_MINOR) return;
  throw error("it was compiled for version " + version(module.abi_major, module.abi_minor) +
              " of the module interface, and this server has " + version(BATON_ABI_MAJOR, BATON_ABI_MINOR) +
              ": compile it again with this server's <baton/module.h>");
}

void Module::load(const baton_host& host) {
  handle_ = guarded("a static initialiser", [this] { return open_image(); });
  const auto entry = reinterpret_cast<const baton_module* (*)()>(::dlsym(handle_, BATON_MODULE_ENTRY));
  if (entry == nullptr) throw error("is no module of baton: it does not export " BATON_MODULE_ENTRY "()");
  const baton_module* const module = guarded(BATON_MODULE_ENTRY "()", entry);
  if (module == nullptr) throw error(BATON_MODULE_ENTRY "() returns nothing");
  check_version(*module);
  if (module->struct_size < sizeof(baton_module) || module->setup == nullptr)
    throw error("what " BATON_MODULE_ENTRY "() returns is not complete");
  const int result =
      guarded("its setup", [&] { return module->setup(&host, reinterpret_cast<baton_setup*>(this)); });
  fail_if_complained("its setup fails", result);
  if (endpoints_.empty()) throw error("it has no handlers");
}

void Module::add_route(const baton_route& route) {
  const std::string pattern(view(route.pattern));
  const auto bad = [&](const char* what, const char* range) {
    fail("the pattern '" + pattern + "': " + what + " is not in " + range);
  };
  if (route.struct_size < sizeof(baton_route) || route.handler == nullptr)
    return fail("the pattern '" + pattern + "' has no handler");
  RouteTable::Methods methods;
  if (!read_method(view(route.method), methods))
    return fail("'" + std::string(view(route.method)) + "' is not a method that a module can offer");

  Endpoint endpoint;
  endpoint.call = route.handler;
  endpoint.user = route.user;
  constexpr std::int64_t kDay = 86'400'000;
  if (!choose(endpoint.limit_ms, route.timeout_ms, 0, kDay,
              config_.timeout.value_or(defaults_.timeouts.handler).count()))
    return bad("timeout", "0..24h");
  if (!choose(endpoint.max_body, route.max_body, 0, static_cast<std::int64_t>(kMaxBodyBytes),
              config_.max_body.value_or(defaults_.limits.body_bytes)))
    return bad("max_body", "0..1 TiB");
  if (!choose(endpoint.max_concurrency, route.max_concurrency, 0, kMaxWorkersPerGeneration,
              config_.max_concurrency))
    return bad("max_concurrency", "0..64");
  if (!choose(endpoint.retries, route.retries, 0, kMaxRetries,
              config_.retries.value_or(defaults_.limits.retries)))
    return bad("retries", "0..10");
  if (route.idempotent != BATON_UNSET) endpoint.idempotent = route.idempotent != 0;
  if (endpoint.max_concurrency != 0) {
    endpoint.permit_set = next_.permit_sets++;
    if (next_.permit_sets > kMaxPermitSets)
      return fail("more than " + std::to_string(kMaxPermitSets) + " handlers with a max_concurrency");
  }
  const auto number = static_cast<RouteTable::Handler>(endpoints_.size());
  if (const std::string problem = routes_.add(methods, pattern, number); !problem.empty())
    return fail(problem);
  endpoint.number = next_.handlers++;
  endpoints_.push_back(endpoint);
}

void Module::start() {
  for (const auto& call : starts_) {
    const int result = guarded("its on_worker_start", call);
    fail_if_complained("its on_worker_start fails", result);
  }
}

void Module::stop() {
  for (const auto& call : stops_) call();
}

}  // namespace baton::app
