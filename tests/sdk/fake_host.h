// baton as a module sees it: the function table of sdk/baton/abi.h, which notes down what the module does.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "sdk/baton/abi.h"

namespace baton::test {

using Pairs = std::vector<std::pair<std::string, std::string>>;

struct FakeRequest {
  std::string method = "GET";
  std::string target = "/";
  std::string path = "/";
  std::string mount;
  std::string query;
  Pairs headers;
  Pairs params;
  std::string body;
};

struct FakeResponse {
  int status = 200;
  Pairs headers;
  std::string body;
  std::vector<std::string> flushed;  // the body at each flush
  std::optional<std::string> failed;
  std::optional<std::string> error_detail;
  std::string file;
  std::string refusal;  // of the last header that was refused

  // All values of a header, each with a line feed behind it.
  [[nodiscard]] std::string header(const std::string& name) const;
};

struct FakeRoute {
  std::string method;
  std::string pattern;
  baton_route route;
};

class FakeHost {
 public:
  FakeHost();
  FakeHost(const FakeHost&) = delete;
  FakeHost& operator=(const FakeHost&) = delete;

  // What baton_module::setup returns.
  int set_up(const baton_module& module);
  // What the first of the calls for on_worker_start that refuses returns; 0 when none does.
  int start_worker();
  void stop_worker();
  // Calls the handler registered for exactly this pattern.
  FakeResponse call(const std::string& pattern, const FakeRequest& request = {});

  std::string config = "{}";
  std::string config_folder = "/etc/baton";
  bool client_is_there = true;
  bool client_is_slow = false;  // what is flushed without waiting is not taken
  bool is_stopping = false;
  int open_error = 0;                       // what send_file returns
  std::optional<int> dict_result;           // what calls on a dictionary return, where it is set
  std::string dict_name = "sessions";       // the one that there is
  std::map<std::string, std::string> dict;  // what is in it
  std::uint64_t dict_ttl = 0;               // as last told

  std::vector<FakeRoute> routes;
  std::optional<std::string> refused;  // why, as told with setup_failed
  std::vector<std::pair<int, std::string>> log;

 private:
  friend struct Functions;

  std::vector<std::pair<int (*)(void*), void*>> starts_;
  std::vector<std::pair<void (*)(void*), void*>> stops_;
  std::string dict_value_;
  baton_host table_;
};

}  // namespace baton::test
