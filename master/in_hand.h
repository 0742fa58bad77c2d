// What a stop would cut off.
#pragma once

#include <cstddef>

#include "common/segment.h"

namespace baton {

// Whether a request of this connection has begun to arrive, or its response is not yet in the kernel's hands.
// Neither an idle connection nor one whose last response has been sent. Only a hint while a worker holds it.
bool in_hand(const Segment& segment, int fd);
std::size_t count_in_hand(const Segment& segment);

}  // namespace baton
