// SipHash-2-4 (Aumasson and Bernstein, 2012): a hash for tables whose keys come from outside. Without the
// key nobody can choose texts that collide.
#pragma once

#include <cstdint>
#include <string_view>

namespace baton {

struct SipKey {
  std::uint64_t low = 0;
  std::uint64_t high = 0;
};

// A key that nobody can predict. Throws std::runtime_error.
SipKey random_sip_key();

std::uint64_t siphash(const SipKey& key, std::string_view text);

}  // namespace baton
