// Part of <baton/module.h>. The `config = {..}` of the module's route.
#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>

namespace baton::inline sdk {

// Each function has a form with a fallback for a missing key. A missing key without a fallback, and a value
// of another type, throw std::runtime_error with a message that names the key. If the exception leaves the
// body of BATON_MODULE or on_worker_start, the module, and with it the reload, is refused for that reason.
class Config {
 public:
  // `values`: an object. `folder`: the absolute path of the configuration file's folder.
  Config(nlohmann::json values, std::string folder)
      : values_(std::move(values)), folder_(std::move(folder)) {}

  [[nodiscard]] bool has(const std::string& key) const { return values_.contains(key); }

  [[nodiscard]] std::string string(const std::string& key) const {
    return required(key, "a string", &nlohmann::json::is_string).get<std::string>();
  }
  [[nodiscard]] std::string string(const std::string& key, std::string_view fallback) const {
    return has(key) ? string(key) : std::string(fallback);
  }

  // A string that is a path, made absolute; a relative path starts in the configuration file's folder.
  [[nodiscard]] std::string path(const std::string& key) const { return absolute(string(key)); }
  [[nodiscard]] std::string path(const std::string& key, std::string_view fallback) const {
    return absolute(string(key, fallback));
  }

  [[nodiscard]] std::int64_t integer(const std::string& key) const {
    return required(key, "an integer", &nlohmann::json::is_number_integer).get<std::int64_t>();
  }
  [[nodiscard]] std::int64_t integer(const std::string& key, std::int64_t fallback) const {
    return has(key) ? integer(key) : fallback;
  }

  [[nodiscard]] double number(const std::string& key) const {
    return required(key, "a number", &nlohmann::json::is_number).get<double>();
  }
  [[nodiscard]] double number(const std::string& key, double fallback) const {
    return has(key) ? number(key) : fallback;
  }

  [[nodiscard]] bool boolean(const std::string& key) const {
    return required(key, "true or false", &nlohmann::json::is_boolean).get<bool>();
  }
  [[nodiscard]] bool boolean(const std::string& key, bool fallback) const {
    return has(key) ? boolean(key) : fallback;
  }

  // The whole `config`, with lists and tables.
  [[nodiscard]] const nlohmann::json& json() const { return values_; }

 private:
  [[nodiscard]] const nlohmann::json& required(const std::string& key, const char* what,
                                               bool (nlohmann::json::*is_it)() const noexcept) const {
    const auto value = values_.find(key);
    if (value == values_.end()) {
      throw std::runtime_error("config has no \"" + key + "\", which is to be " + what);
    }
    if (!((*value).*is_it)()) throw std::runtime_error("config: \"" + key + "\" is to be " + what);
    return *value;
  }

  [[nodiscard]] std::string absolute(const std::string& path) const {
    return path.starts_with('/') ? path : folder_ + "/" + path;
  }

  nlohmann::json values_;
  std::string folder_;
};

}  // namespace baton::inline sdk
