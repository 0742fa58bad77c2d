#include "worker/app/module_host.h"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <exception>
#include <iostream>
#include <map>
#include <set>
#include <utility>

#include "common/base/clock.h"
#include "common/base/log.h"
#include "common/base/printable.h"
#include "common/http/negotiate.h"
#include "worker/app/log_relay.h"
#include "worker/app/text.h"
#include "worker/app/unique_symbols.h"

namespace baton::app {

namespace {

// Most bytes of a line that a module logs: the line may quote what a client has sent.
constexpr std::size_t kMostOfLine = 4'000;

// For functions of baton_host that get no object from the module.
AppThread* own_thread = nullptr;
std::function<bool()> own_end;
LogRelay* own_relay = nullptr;

baton_text text(std::string_view view) {
  return {view.data(), view.size()};
}

Module& module_of(baton_setup* setup) {
  return *reinterpret_cast<Module*>(setup);
}

Response& response_of(baton_response* response) {
  return *reinterpret_cast<Response*>(response);
}

void write_log(int level, std::string_view line) {
  constexpr std::array kLevels{log::Level::kDebug, log::Level::kInfo, log::Level::kWarn, log::Level::kError};
  const bool known = level >= BATON_LOG_DEBUG && level <= BATON_LOG_ERROR;
  log::write(known ? kLevels[static_cast<std::size_t>(level)] : log::Level::kInfo, "{}",
             printable_start(line, kMostOfLine));
}

// Only the event thread and the relay have the log open. A child that a module has forked has neither, so its
// lines go to standard error.
void log_line(int level, baton_text line) {
  auto write = [&] { write_log(level, view(line)); };
  if (own_thread != nullptr && own_thread->is_current()) return own_thread->call_back(write);
  if (own_thread != nullptr && own_thread->is_home()) return own_relay->run(write);
  std::string whole = printable_start(view(line), kMostOfLine) + '\n';
  [[maybe_unused]] const ssize_t ignored = ::write(STDERR_FILENO, whole.data(), whole.size());
}

void add_functions_of_setup(baton_host& host) {
  host.add_route = [](baton_setup* setup, const baton_route* route) { module_of(setup).add_route(*route); };
  host.on_worker_start = [](baton_setup* setup, int (*call)(void*), void* user) {
    module_of(setup).add_start(call, user);
  };
  host.on_worker_stop = [](baton_setup* setup, void (*call)(void*), void* user) {
    module_of(setup).add_stop(call, user);
  };
  host.config = [](baton_setup* setup) { return text(module_of(setup).config()); };
  host.config_folder = [](baton_setup* setup) { return text(module_of(setup).config_folder()); };
  host.setup_failed = [](baton_setup* setup, baton_text reason) { module_of(setup).fail(view(reason)); };
}

void add_functions_of_response(baton_host& host) {
  host.set_status = [](baton_response* response, int status) { response_of(response).set_status(status); };
  host.set_header = [](baton_response* response, baton_text name, baton_text value, int replace) {
    return response_of(response).set_header(view(name), view(value), replace != 0) ? 1 : 0;
  };
  host.refusal = [](baton_response* response) { return text(response_of(response).refusal()); };
  host.set_error = [](baton_response* response, int status, baton_text detail) {
    response_of(response).set_error(status, view(detail));
  };
  host.set_body = [](baton_response* response, baton_text bytes) {
    response_of(response).set_body(view(bytes));
  };
  host.write = [](baton_response* response, baton_text bytes) { response_of(response).write(view(bytes)); };
  host.send_file = [](baton_response* response, baton_text path) {
    return response_of(response).send_file(std::string(view(path)));
  };
  host.flush = [](baton_response* response) { return response_of(response).flush() ? 1 : 0; };
  host.try_flush = [](baton_response* response) { return response_of(response).try_flush(); };
  host.client_gone = [](baton_response* response) { return response_of(response).client_gone() ? 1 : 0; };
  host.fail = [](baton_response* response, baton_text reason) { response_of(response).fail(view(reason)); };
}

// An exception that leaves a module ends the worker. noexcept makes it do so at once, while the stack is
// still there for the post-mortem.
void call_handler(const Endpoint& endpoint, const baton_request& request, Response& response) noexcept {
  endpoint.call(endpoint.user, &request, reinterpret_cast<baton_response*>(&response));
}

}  // namespace

ModuleHost::ModuleHost(const Config& config, const serve::Router& router, OpenDicts dicts,
                       std::function<bool()> to_go, Note note)
    : functions_{}, note_(std::move(note)) {
  functions_.struct_size = sizeof functions_;
  functions_.abi_major = BATON_ABI_MAJOR;
  functions_.abi_minor = BATON_ABI_MINOR;
  add_functions_of_setup(functions_);
  functions_.log = log_line;
  add_functions_of_response(functions_);
  functions_.stopping = [] { return own_end && own_end() ? 1 : 0; };
  add_functions_of_dicts(functions_, dicts);
  own_end = std::move(to_go);
  bool any = false;
  router.for_each_route([&](const serve::Route& route) {
    if (by_route_.size() <= route.number) by_route_.resize(route.number + 1);
    const auto* module = std::get_if<ModuleConfig>(&route.config->action);
    if (module == nullptr) return;
    by_route_[route.number] = std::make_unique<Module>(*module, config, route.module, next_);
    any = true;
  });
  if (!any) return;
  own_relay = std::make_unique<LogRelay>().release();
  thread_ = std::make_unique<AppThread>().release();
  own_thread = thread_;
  load_all();
}

ModuleHost::~ModuleHost() {
  own_thread = nullptr;
}

// Does `action` for each module on the app thread, one after the other.
template <typename Action>
void ModuleHost::for_each_module(const char* what, Action action) {
  for (const auto& module : by_route_) {
    if (!module) continue;
    note_("the module " + module->path() + " " + what);
    std::exception_ptr failure;
    thread_->run([&] {
      try {
        action(*module);
      } catch (const std::exception&) {
        failure = std::current_exception();
      }
    });
    if (failure) std::rethrow_exception(failure);
  }
  note_("");
}

void ModuleHost::load_all() {
  for_each_module("was being loaded and set up", [this](Module& module) { module.load(functions_); });
}

void ModuleHost::start() {
  if (!thread_) return;
  for_each_module("was being started (on_worker_start)", [](Module& module) { module.start(); });
}

std::vector<std::string> ModuleHost::shared_symbols() const {
  std::map<std::string, std::string> paths;  // from the loader's name to the module's file
  for (const auto& module : by_route_) {
    if (module) paths[module->loaded_as()] = module->path();
  }
  struct Shared {
    std::string first;
    std::size_t more = 0;
  };
  std::map<std::pair<std::string, std::string>, Shared> shared;
  std::set<const void*> seen;  // several routes may have one module
  for (const auto& module : by_route_) {
    if (!module || !seen.insert(module->handle()).second) continue;
    for (const ForeignSymbol& symbol : foreign_symbols(module->handle())) {
      const auto owner = paths.find(symbol.object);
      if (owner == paths.end()) continue;
      const auto [entry, is_first] = shared.try_emplace({owner->second, module->path()}, Shared{symbol.name});
      if (!is_first) ++entry->second.more;
    }
  }
  std::vector<std::string> texts;
  texts.reserve(shared.size());
  for (const auto& [modules, what] : shared) {
    texts.push_back("the modules " + modules.first + " and " + modules.second + " share '" + what.first +
                    "'" + (what.more == 0 ? "" : " and " + std::to_string(what.more) + " more symbols") +
                    ": what one does to it the other sees, and it is neither's own where their types differ; "
                    "build both with the flags of 'pkg-config --cflags --libs baton'");
  }
  return texts;
}

void ModuleHost::stop() {
  if (!thread_) return;
  thread_->run([&]() noexcept {
    for (const auto& module : by_route_) {
      if (module) module->stop();
    }
    // The worker leaves by _exit(2), which flushes no stream. If a thread of a module holds the lock of one
    // for ever, the watchdog ends the worker.
    std::cout.flush();
    std::clog.flush();
    std::fflush(nullptr);
  });
}

const std::string& ModuleHost::obstacle() const {
  static const std::string none;
  return thread_ ? thread_->obstacle() : none;
}

const Module* ModuleHost::find(const serve::Route& route) const {
  return route.number < by_route_.size() ? by_route_[route.number].get() : nullptr;
}

Response ModuleHost::run(const Endpoint& endpoint, const Call& call, http::Reply& reply, ResponseSink& sink) {
  std::array<char, Peer::kTextBytes> peer;
  std::array<baton_pair, kMaxParams> params;
  headers_.clear();
  for (const http::Field& field : call.request.fields)
    headers_.push_back({text(field.name), text(field.value)});
  for (std::size_t i = 0; i < call.match.param_count; ++i)
    params[i] = {text(call.match.params[i].name), text(call.match.params[i].value)};

  baton_request request{};
  request.struct_size = sizeof request;
  request.http_minor = call.request.minor;
  request.method = text(call.request.method_text);
  request.target = text(call.request.target);
  request.path = text(call.path);
  request.mount = text(call.mount);
  request.query = text(call.request.query);
  request.host = text(call.request.host);
  request.peer = text(call.peer.kind == Peer::Kind::kUnix ? "unix" : call.peer.format_ip(peer));
  request.headers = headers_.data();
  request.header_count = headers_.size();
  request.params = params.data();
  request.param_count = call.match.param_count;
  request.body = text(call.body);

  Response response(reply, sink, *thread_, http::prefers_json(call.request));
  const std::uint64_t start = monotonic_ns();
  auto handle = [&] {
    call_handler(endpoint, request, response);
    thread_->stop_children();
    response.finish();
  };
  const bool near = endpoint.short_runs >= Endpoint::kKnownAsShort;
  if (endpoint.backoff.expected()) {
    endpoint.backoff.was(thread_->run_here(handle, near, endpoint.limit_ms));
  } else {
    thread_->run(handle, near, endpoint.limit_ms);
  }
  last_run_ns_ = monotonic_ns() - start;
  const bool was_short = last_run_ns_ < Endpoint::kShortNs;
  endpoint.short_runs = was_short ? std::min(endpoint.short_runs + 1, Endpoint::kKnownAsShort) : 0;
  return response;
}

}  // namespace baton::app
