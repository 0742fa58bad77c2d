#include "tests/support/temp_dir.h"

#include <cstdlib>
#include <fstream>
#include <iterator>
#include <stdexcept>

namespace baton::test {

namespace fs = std::filesystem;

TempDir::TempDir() {
  std::string name = (fs::temp_directory_path() / "baton-test-XXXXXX").string();
  if (::mkdtemp(name.data()) == nullptr) throw std::runtime_error("mkdtemp failed for " + name);
  path_ = name;
  fs::permissions(path_, fs::perms(0755));  // a server that changes its user must get in
}

TempDir::~TempDir() {
  std::error_code ignored;
  // A test may have closed a folder even to its owner.
  for (const auto& entry : fs::directory_iterator(path_, ignored))
    if (entry.is_directory(ignored) && !entry.is_symlink(ignored))
      fs::permissions(entry.path(), fs::perms::owner_all, fs::perm_options::add, ignored);
  fs::remove_all(path_, ignored);
}

std::string TempDir::write(const std::string& name, std::string_view content) const {
  const fs::path file = path_ / name;
  fs::create_directories(file.parent_path());
  // A new file under the old name, as deployments do: a server that sends the old one keeps its bytes.
  const fs::path fresh = file.string() + ".new";
  std::ofstream(fresh, std::ios::binary) << content;
  fs::rename(fresh, file);
  return file.string();
}

std::string TempDir::read(const std::string& name) const {
  std::ifstream file(path_ / name, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}

}  // namespace baton::test
