// Views of text that the ABI passes (sdk/baton/abi.h).
#pragma once

#include <string_view>

#include "sdk/baton/abi.h"

namespace baton::app {

inline std::string_view view(baton_text text) {
  return {text.data, text.size};
}

}  // namespace baton::app
