// The modules that tests have the server load: each is a file of tests/modules.
#pragma once

#include <filesystem>
#include <string>

namespace baton::test {

// The absolute path of tests/modules/NAME.c, compiled.
inline std::string module_file(const std::string& name) {
  std::filesystem::path folder = std::filesystem::read_symlink("/proc/self/exe").parent_path();
  if (folder.filename() == "points") folder = folder.parent_path();
  return (folder / "modules" / (name + ".so")).string();
}

// What stands in the configuration for a route with it. `more`: further options of the module.
inline std::string module_route(const std::string& path, const std::string& name,
                                const std::string& more = "") {
  return "[[site.route]]\npath = \"" + path + "\"\nmodule = { file = \"" + module_file(name) + "\"" +
         (more.empty() ? "" : ", " + more) + " }\n";
}

}  // namespace baton::test
