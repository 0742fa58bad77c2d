#include "master/program.h"

#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <string_view>

namespace baton {

namespace fs = std::filesystem;

std::string program_path(const std::string& argv0) {
  std::error_code ignored;
  if (argv0.find('/') != std::string::npos) return fs::absolute(argv0, ignored).string();
  const char* path = std::getenv("PATH");
  for (std::string_view rest = path != nullptr ? path : ""; !argv0.empty() && !rest.empty();) {
    const std::size_t colon = std::min(rest.find(':'), rest.size());
    const fs::path folder = colon == 0 ? "." : fs::path(rest.substr(0, colon));
    const fs::path file = fs::absolute(folder / argv0, ignored);
    if (::access(file.c_str(), X_OK) == 0 && fs::is_regular_file(file, ignored)) return file.string();
    rest.remove_prefix(std::min(colon + 1, rest.size()));
  }
  return fs::read_symlink("/proc/self/exe", ignored).string();
}

}  // namespace baton
