// The examples of the SDK, each with the configuration that is shipped with it.
#pragma once

#include <string>

#include "tests/support/temp_dir.h"

namespace baton::test {

// sdk/examples/NAME/baton.toml, on port 0, with the module that was built beside the running test, and with
// its data in `folder`. Throws std::runtime_error when the file is not as it is expected to be.
std::string example_config(const std::string& name, const TempDir& folder);

}  // namespace baton::test
