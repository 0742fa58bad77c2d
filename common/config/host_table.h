// What belongs to the site that a client names. One rule for HTTP (worker/route) and TLS (worker/tls): an exact name
// wins over "*.example.org", and of these the longest one wins.
#pragma once

#include <algorithm>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "common/http/chars.h"

namespace baton {

template <typename T>
class HostTable {
 public:
  // `host` is as in SiteConfig::hosts: lower case, perhaps with a leading "*.". The first one added wins.
  void add(const std::string& host, T value) {
    if (!host.starts_with("*.")) {
      exact_.emplace(host, std::move(value));
      return;
    }
    const auto shorter = [&host](const auto& one) { return one.first.size() < host.size() - 1; };
    suffixes_.emplace(std::find_if(suffixes_.begin(), suffixes_.end(), shorter), host.substr(1),
                      std::move(value));
  }

  // `name` is in any case, without a port. Null: no site has it.
  [[nodiscard]] const T* find(std::string_view name) const {
    constexpr std::size_t kLongestName = 255;  // RFC 1035 2.3.4
    if ((exact_.empty() && suffixes_.empty()) || name.size() > kLongestName) return nullptr;
    const std::string lower = http::lower_case(name);
    if (const auto found = exact_.find(lower); found != exact_.end()) return &found->second;
    for (const auto& [suffix, value] : suffixes_) {
      if (lower.size() > suffix.size() && lower.ends_with(suffix)) return &value;
    }
    return nullptr;
  }

 private:
  std::unordered_map<std::string, T> exact_;
  std::vector<std::pair<std::string, T>> suffixes_;  // ".example.org", longest first
};

}  // namespace baton
