// The FNV-1a hash. Not for secrets, but the same in every build, which shared memory and names need.
#pragma once

#include <cstdint>
#include <string_view>

namespace baton {

class Fnv1a {
 public:
  void add(std::uint64_t value) { hash_ = (hash_ ^ value) * 0x100000001b3U; }
  void add(std::string_view text) {
    for (const char c : text) add(std::uint64_t{static_cast<unsigned char>(c)});
  }
  [[nodiscard]] std::uint64_t value() const { return hash_; }

 private:
  std::uint64_t hash_ = 0xcbf29ce484222325U;
};

}  // namespace baton
