// How many requests one worker serves before it is replaced.
#pragma once

#include <cstdint>

namespace baton {

// `most` (limits.requests_per_worker; 0: no limit) or up to a tenth less, by `seed`: workers that started
// together and share the load evenly would otherwise all go at the same moment. Never more than `most`, never
// less than 1.
constexpr std::uint64_t own_request_limit(std::uint64_t most, std::int32_t seed) {
  if (most == 0) return 0;
  // Neighbouring seeds, such as the process ids of workers started together, end up far apart.
  const std::uint64_t scattered = (static_cast<std::uint32_t>(seed) * 2'654'435'769U) >> 8;
  return most - scattered % (most / 10 + 1);
}

}  // namespace baton
