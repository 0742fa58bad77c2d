// What this build is. Only version.cpp defines it, so a build that differs in nothing else (the tests make
// such builds) compiles only that file anew.
#pragma once

#include <cstdint>

namespace baton {

extern const char* const kVersion;

// The version of the shared memory's layout: see common/shared/segment.h. Raise it when the meaning of
// anything there changes. The segment's fingerprint covers sizes and places.
extern const std::uint32_t kLayoutVersion;

}  // namespace baton
