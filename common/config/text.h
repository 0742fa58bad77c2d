// The part of load_config() that reads no file: for tests and fuzzing.
#pragma once

#include <string>
#include <string_view>

#include "common/config/config.h"

namespace baton {

// Validates `text` as the content of `file`, which need not exist: errors name it, and relative paths start
// in its folder.
ConfigResult load_config_text(std::string_view text, const std::string& file);

}  // namespace baton
