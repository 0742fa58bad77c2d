#include "common/base/version.h"

#ifndef BATON_VERSION
#define BATON_VERSION "0.1.0"
#endif
#ifndef BATON_LAYOUT_VERSION
#define BATON_LAYOUT_VERSION 5
#endif

namespace baton {

const char* const kVersion = BATON_VERSION;
const std::uint32_t kLayoutVersion = BATON_LAYOUT_VERSION;

}  // namespace baton
