// The examples of the SDK, each with the configuration that is shipped with it.
#pragma once

#include <string>

#include "tests/support/temp_dir.h"

namespace baton::test {

// Returns sdk/examples/NAME/baton.toml, changed to listen on port 0, to use the module that was built beside
// the running test, and to keep its data in `folder`. Throws std::runtime_error if the file is not as
// expected.
std::string example_config(const std::string& name, const TempDir& folder);

}  // namespace baton::test
