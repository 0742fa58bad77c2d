// A folder that is removed when the test ends.
#pragma once

#include <filesystem>
#include <string>
#include <string_view>

namespace baton::test {

class TempDir {
 public:
  TempDir();
  TempDir(const TempDir&) = delete;
  TempDir& operator=(const TempDir&) = delete;
  ~TempDir();

  [[nodiscard]] const std::filesystem::path& path() const { return path_; }
  // Writes a file, and makes its folders; returns its absolute path.
  std::string write(const std::string& name, std::string_view content) const;
  [[nodiscard]] std::string read(const std::string& name) const;

 private:
  std::filesystem::path path_;
};

}  // namespace baton::test
