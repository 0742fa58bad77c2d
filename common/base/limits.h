// Bounds that the layout of shared memory is built on. The configuration keeps to them.
#pragma once

#include <cstdint>

namespace baton {

constexpr std::uint32_t kMaxWorkersPerGeneration = 64;

}  // namespace baton
