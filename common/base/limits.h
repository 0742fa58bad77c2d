// Bounds by which shared memory is laid out, and which the configuration therefore keeps to.
#pragma once

#include <cstdint>

namespace baton {

constexpr std::uint32_t kMaxWorkersPerGeneration = 64;

}  // namespace baton
