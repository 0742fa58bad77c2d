#include "tests/sdk/fake_host.h"

#include <stdexcept>
#include <string_view>

namespace baton::test {

namespace {

// The functions without a handle are for whoever was made last.
FakeHost* current = nullptr;

std::string string(baton_text text) {
  return {text.data, text.size};
}

baton_text text(std::string_view view) {
  return {view.data(), view.size()};
}

FakeResponse& response_of(baton_response* response) {
  return *reinterpret_cast<FakeResponse*>(response);
}

std::vector<baton_pair> c_pairs(const Pairs& pairs) {
  std::vector<baton_pair> result;
  for (const auto& [name, value] : pairs) result.push_back({text(name), text(value)});
  return result;
}

}  // namespace

struct Functions {
  static FakeHost& host(baton_setup* setup) { return *reinterpret_cast<FakeHost*>(setup); }

  static void add_route(baton_setup* setup, const baton_route* route) {
    host(setup).routes.push_back({string(route->method), string(route->pattern), *route});
  }
  static void on_worker_start(baton_setup* setup, int (*call)(void*), void* user) {
    host(setup).starts_.emplace_back(call, user);
  }
  static void on_worker_stop(baton_setup* setup, void (*call)(void*), void* user) {
    host(setup).stops_.emplace_back(call, user);
  }
  static baton_text config(baton_setup* setup) { return text(host(setup).config); }
  static baton_text config_folder(baton_setup* setup) { return text(host(setup).config_folder); }
  static void setup_failed(baton_setup* setup, baton_text reason) { host(setup).refused = string(reason); }
  static void log(int level, baton_text line) { current->log.emplace_back(level, string(line)); }

  static void set_status(baton_response* response, int status) { response_of(response).status = status; }
  static int set_header(baton_response* response, baton_text name, baton_text value, int replace) {
    auto& headers = response_of(response).headers;
    const bool ours = string(name) == "Content-Length";
    if (ours || string(value).find('\n') != std::string::npos) {
      response_of(response).refusal = "'" + string(name) + (ours ? "' is baton's" : "' has a line break");
      return 0;
    }
    if (replace != 0) std::erase_if(headers, [&](const auto& pair) { return pair.first == string(name); });
    headers.emplace_back(string(name), string(value));
    return 1;
  }
  static baton_text refusal(baton_response* response) { return text(response_of(response).refusal); }
  static void set_body(baton_response* response, baton_text bytes) {
    response_of(response).body = string(bytes);
  }
  static void write(baton_response* response, baton_text bytes) {
    response_of(response).body += string(bytes);
  }
  static int send_file(baton_response* response, baton_text path) {
    if (current->open_error == 0) response_of(response).file = string(path);
    return current->open_error;
  }
  static void set_error(baton_response* response, int status, baton_text detail) {
    FakeResponse error;
    error.status = status;
    error.error_detail = string(detail);
    response_of(response) = error;
  }
  static int flush(baton_response* response) {
    FakeResponse& streamed = response_of(response);
    streamed.flushed.push_back(streamed.body);
    return current->client_is_there ? 1 : 0;
  }
  static int try_flush(baton_response* response) {
    return current->client_is_slow ? BATON_FLUSH_FULL : flush(response);
  }
  static int client_gone(baton_response*) { return current->client_is_there ? 0 : 1; }
  static int stopping() { return current->is_stopping ? 1 : 0; }
  static void fail(baton_response* response, baton_text reason) {
    response_of(response).failed = string(reason);
  }

  static FakeHost& dict_host(baton_dict* dict) { return *reinterpret_cast<FakeHost*>(dict); }
  static baton_dict* dict_open(baton_text name) {
    return string(name) == current->dict_name ? reinterpret_cast<baton_dict*>(current) : nullptr;
  }
  static int dict_get(baton_dict* dict, baton_text key, baton_text* value) {
    FakeHost& host = dict_host(dict);
    if (host.dict_result) return *host.dict_result;
    const auto found = host.dict.find(string(key));
    if (found == host.dict.end()) return BATON_DICT_NOT_FOUND;
    // As short-lived as the contract allows: the next call overwrites it.
    host.dict_value_ = found->second;
    *value = text(host.dict_value_);
    return BATON_DICT_OK;
  }
  static int dict_set(baton_dict* dict, baton_text key, baton_text value, std::uint64_t ttl_ms) {
    FakeHost& host = dict_host(dict);
    if (host.dict_result) return *host.dict_result;
    host.dict[string(key)] = string(value);
    host.dict_ttl = ttl_ms;
    return BATON_DICT_OK;
  }
  static int dict_add(baton_dict* dict, baton_text key, baton_text value, std::uint64_t ttl_ms) {
    if (dict_host(dict).dict.contains(string(key))) return BATON_DICT_EXISTS;
    return dict_set(dict, key, value, ttl_ms);
  }
  static int dict_increment(baton_dict* dict, baton_text key, std::int64_t delta, std::int64_t initial,
                            std::uint64_t ttl_ms, std::int64_t* result) {
    FakeHost& host = dict_host(dict);
    if (host.dict_result) return *host.dict_result;
    const auto found = host.dict.find(string(key));
    *result = (found == host.dict.end() ? initial : std::stoll(found->second)) + delta;
    host.dict[string(key)] = std::to_string(*result);
    host.dict_ttl = ttl_ms;
    return BATON_DICT_OK;
  }
  static int dict_compare_and_swap(baton_dict* dict, baton_text key, baton_text expected, baton_text value,
                                   std::uint64_t ttl_ms) {
    FakeHost& host = dict_host(dict);
    const auto found = host.dict.find(string(key));
    if (found == host.dict.end()) return BATON_DICT_NOT_FOUND;
    if (found->second != string(expected)) return BATON_DICT_MISMATCH;
    return dict_set(dict, key, value, ttl_ms);
  }
  static int dict_remove(baton_dict* dict, baton_text key) {
    return dict_host(dict).dict.erase(string(key)) == 1 ? BATON_DICT_OK : BATON_DICT_NOT_FOUND;
  }
  static void dict_clear(baton_dict* dict) { dict_host(dict).dict.clear(); }
  static void dict_stats(baton_dict* dict, baton_dict_stats* stats) {
    if (stats->struct_size != sizeof *stats) throw std::logic_error("struct_size is not set");
    stats->entries = dict_host(dict).dict.size();
  }
};

FakeHost::FakeHost()
    : table_{sizeof(baton_host),
             BATON_ABI_MAJOR,
             BATON_ABI_MINOR,
             &Functions::add_route,
             &Functions::on_worker_start,
             &Functions::on_worker_stop,
             &Functions::config,
             &Functions::config_folder,
             &Functions::setup_failed,
             &Functions::log,
             &Functions::set_status,
             &Functions::set_header,
             &Functions::set_body,
             &Functions::write,
             &Functions::send_file,
             &Functions::set_error,
             &Functions::flush,
             &Functions::fail,
             &Functions::dict_open,
             &Functions::dict_get,
             &Functions::dict_set,
             &Functions::dict_add,
             &Functions::dict_increment,
             &Functions::dict_compare_and_swap,
             &Functions::dict_remove,
             &Functions::dict_clear,
             &Functions::dict_stats,
             &Functions::refusal,
             &Functions::try_flush,
             &Functions::client_gone,
             &Functions::stopping} {
  current = this;
}

int FakeHost::set_up(const baton_module& module) {
  return module.setup(&table_, reinterpret_cast<baton_setup*>(this));
}

int FakeHost::start_worker() {
  for (const auto& [call, user] : starts_) {
    if (const int result = call(user); result != 0) return result;
  }
  return 0;
}

void FakeHost::stop_worker() {
  for (const auto& [call, user] : stops_) call(user);
}

FakeResponse FakeHost::call(const std::string& pattern, const FakeRequest& request) {
  const std::vector<baton_pair> headers = c_pairs(request.headers);
  const std::vector<baton_pair> params = c_pairs(request.params);
  const baton_request c_request{sizeof(baton_request), 1,
                                text(request.method),  text(request.target),
                                text(request.path),    text(request.mount),
                                text(request.query),   text("example.com"),
                                text("192.0.2.1"),     headers.data(),
                                headers.size(),        params.data(),
                                params.size(),         text(request.body)};
  FakeResponse response;
  for (const FakeRoute& route : routes) {
    if (route.pattern != pattern || (route.method != request.method && route.method != "*")) continue;
    route.route.handler(route.route.user, &c_request, reinterpret_cast<baton_response*>(&response));
    return response;
  }
  throw std::logic_error("no route for " + request.method + " " + pattern);
}

std::string FakeResponse::header(const std::string& name) const {
  std::string values;
  for (const auto& [other, value] : headers) {
    if (other == name) values += value + "\n";
  }
  return values;
}

}  // namespace baton::test
