// Bounds that the layout of shared memory is built on. The configuration keeps to them.
#pragma once

#include <cstdint>

namespace baton {

constexpr std::uint32_t kMaxWorkersPerGeneration = 64;
constexpr std::uint32_t kMaxKeyholders = 16;  // per generation: processes for TLS handshakes

}  // namespace baton
