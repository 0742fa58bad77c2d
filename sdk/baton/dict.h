// Part of <baton/module.h>. Dictionaries that all workers share.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>

#include "host.h"

namespace baton::inline sdk {

// A [[dict]] of the configuration. Keys and values are bytes, in memory that every worker sees. The
// dictionary outlives reloads, upgrades and its workers, whatever they die of. When it is full, the least
// recently used entries are dropped.
//
// Thread and process safety
//   Any thread of any worker may call open() and the const functions at any time. A copy of the object is the
//   same dictionary.
//
// A default-constructed object can be assigned later; until then all functions throw std::logic_error.
// A key has at most 1,024 bytes and an entry at most half of the dictionary, else std::length_error.
class SharedDict {
 public:
  // How long an entry lives: more than 0 ms (else std::invalid_argument); nothing: for ever.
  using Ttl = std::optional<std::chrono::milliseconds>;
  using Stats = baton_dict_stats;

  SharedDict() = default;

  // Throws std::runtime_error if the configuration has no such dictionary. Throws std::logic_error before the
  // body of BATON_MODULE runs, for example in the initialiser of a static variable.
  static SharedDict open(std::string_view name) {
    if (!detail::host) throw std::logic_error("SharedDict::open before BATON_MODULE");
    SharedDict dict;
    dict.dict_ = detail::host->dict_open(detail::text(name));
    if (dict.dict_) return dict;
    throw std::runtime_error("the configuration has no [[dict]] with the name \"" + std::string(name) + "\"");
  }

  [[nodiscard]] std::optional<std::string> get(std::string_view key) const {
    baton_text value{};
    const int result = detail::host->dict_get(dict(), detail::text(key), &value);
    if (!holds(result, BATON_DICT_NOT_FOUND)) return std::nullopt;
    return std::string(detail::view(value));
  }

  // Replaces the value and its expiry.
  void set(std::string_view key, std::string_view value, Ttl ttl = {}) const {
    holds(detail::host->dict_set(dict(), detail::text(key), detail::text(value), milliseconds(ttl)),
          kNothing);
  }

  // Sets the value if the key is not there. If it is, returns false and changes nothing.
  bool add(std::string_view key, std::string_view value, Ttl ttl = {}) const {
    return holds(detail::host->dict_add(dict(), detail::text(key), detail::text(value), milliseconds(ttl)),
                 BATON_DICT_EXISTS);
  }

  // Adds `delta` to a decimal integer, which keeps its expiry. If the key is not there, the value becomes
  // `initial` + `delta`, and lives for `ttl`. Returns the sum. Throws std::domain_error if the value is no
  // 64-bit integer, or the sum would not be one.
  std::int64_t increment(std::string_view key, std::int64_t delta = 1, std::int64_t initial = 0,
                         Ttl ttl = {}) const {
    std::int64_t sum = 0;
    holds(detail::host->dict_increment(dict(), detail::text(key), delta, initial, milliseconds(ttl), &sum),
          kNothing);
    return sum;
  }

  // Sets the value if the present one is `expected`. If it is another one, or the key is not there, returns
  // false and changes nothing.
  bool compare_and_swap(std::string_view key, std::string_view expected, std::string_view value,
                        Ttl ttl = {}) const {
    const int result = detail::host->dict_compare_and_swap(dict(), detail::text(key), detail::text(expected),
                                                           detail::text(value), milliseconds(ttl));
    return result != BATON_DICT_NOT_FOUND && holds(result, BATON_DICT_MISMATCH);
  }

  // Returns false if the key was not there.
  bool remove(std::string_view key) const {
    return holds(detail::host->dict_remove(dict(), detail::text(key)), BATON_DICT_NOT_FOUND);
  }
  void clear() const { detail::host->dict_clear(dict()); }

  [[nodiscard]] std::uint64_t count() const { return stats().entries; }
  [[nodiscard]] Stats stats() const {
    Stats stats{};
    stats.struct_size = sizeof stats;
    detail::host->dict_stats(dict(), &stats);
    return stats;
  }

 private:
  static constexpr int kNothing = -1;

  [[nodiscard]] baton_dict* dict() const {
    if (!dict_) throw std::logic_error("a SharedDict is used that was not opened");
    return dict_;
  }

  static std::uint64_t milliseconds(Ttl ttl) {
    if (!ttl) return 0;
    if (ttl->count() <= 0) throw std::invalid_argument("a dictionary entry is to live longer than 0 ms");
    return static_cast<std::uint64_t>(ttl->count());
  }

  // True if the call has done what it was asked to do; false for `no`, the only other result that is no
  // mistake. Throws for all others.
  static bool holds(int result, int no) {
    if (result == BATON_DICT_OK) return true;
    if (result == no) return false;
    switch (result) {
      case BATON_DICT_TOO_LARGE: throw std::length_error("key or value too large for the dictionary");
      case BATON_DICT_NOT_A_NUMBER: throw std::domain_error("the dictionary's value is no 64-bit integer");
      default: throw std::runtime_error("dictionary: unexpected result " + std::to_string(result));
    }
  }

  baton_dict* dict_ = nullptr;
};

}  // namespace baton::inline sdk
