// Part of <baton/module.h>. Literals for sizes and durations: 30s, 500ms, 16_KiB, 1_GiB.
#pragma once

#include <chrono>
#include <cstdint>

namespace baton::inline sdk::literals {

// NOLINTNEXTLINE(google-build-using-namespace): what this namespace is for
using namespace std::chrono_literals;

namespace detail {

// A size that does not fit 64 bits is a compile error.
consteval std::uint64_t scaled(unsigned long long count, int bits) {
  if (count > (UINT64_MAX >> bits)) throw "the size does not fit 64 bits";
  return static_cast<std::uint64_t>(count) << bits;
}

}  // namespace detail

consteval std::uint64_t operator""_KiB(unsigned long long count) {
  return detail::scaled(count, 10);
}
consteval std::uint64_t operator""_MiB(unsigned long long count) {
  return detail::scaled(count, 20);
}
consteval std::uint64_t operator""_GiB(unsigned long long count) {
  return detail::scaled(count, 30);
}

}  // namespace baton::inline sdk::literals
