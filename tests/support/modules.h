// The test modules (tests/modules/), as a configuration names them, and what they leave behind.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "tests/support/client.h"
#include "tests/support/temp_dir.h"

namespace baton::test {

// The path of tests/modules/NAME.cpp, compiled.
std::string module_file(const std::string& name);

// A route of the configuration: `options` such as "max_body = 5", "config = { a = 1 }".
std::string module_route(const std::string& path, const std::string& file, const std::string& options = "");

// How often the module has counted `name`.
std::uint64_t counted(const TempDir& folder, const std::string& name);

// Reads the body of a response, whose head has been received, chunk by chunk. Throws std::runtime_error if
// the framing is not exact or the connection ends. Appends the size of each chunk to `sizes`.
std::string read_chunked(Client& client, std::vector<std::size_t>* sizes = nullptr);

// Reads the head of a response, and leaves its body to be read.
std::string read_head(Client& client);

// What the handlers of tests/modules/good.cpp write.
std::string written(std::size_t bytes);

}  // namespace baton::test
