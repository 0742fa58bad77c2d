#include "tests/support/example.h"

#include <filesystem>
#include <fstream>
#include <iterator>
#include <stdexcept>

#include "tests/support/server.h"

namespace baton::test {

namespace {

// Every `from` in `text`; how many there were.
int replace_all(std::string& text, const std::string& from, const std::string& to) {
  int count = 0;
  for (std::size_t at = 0; (at = text.find(from, at)) != std::string::npos; at += to.size(), ++count) {
    text.replace(at, from.size(), to);
  }
  return count;
}

}  // namespace

std::string example_config(const std::string& name, const TempDir& folder) {
  const std::string path = "sdk/examples/" + name + "/baton.toml";
  std::ifstream file(path);
  std::string text{std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
  const std::string built = std::filesystem::path(baton_binary()).parent_path().string();
  const bool module = replace_all(text, "\"../../../build/release/examples/" + name + ".so\"",
                                  "\"" + built + "/examples/" + name + ".so\"") == 1;
  const bool port = replace_all(text, "\"127.0.0.1:8080\"", "\"127.0.0.1:0\"") == 1;
  replace_all(text, "\"../../../build/", "\"" + folder.path().string() + "/");
  if (!module || !port)
    throw std::runtime_error(path +
                             " cannot be read, run the tests from the top of the source tree; or it is "
                             "not as tests/support/example.cpp expects it");
  return text;
}

}  // namespace baton::test
