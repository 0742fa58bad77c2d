// What this build is. Defined in version.cpp alone, so that a build that differs in nothing else (the tests
// make some) needs only that file compiled anew.
#pragma once

#include <cstdint>

namespace baton {

extern const char* const kVersion;

// Of the shared memory: see common/shared/segment.h. To be raised when the meaning of anything there changes;
// sizes and places are covered by the segment's fingerprint.
extern const std::uint32_t kLayoutVersion;

}  // namespace baton
