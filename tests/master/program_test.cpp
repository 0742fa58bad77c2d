#include "master/program.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <cstdlib>
#include <filesystem>

#include "tests/support/temp_dir.h"

namespace baton {
namespace {

namespace fs = std::filesystem;

class ProgramTest : public testing::Test {
 protected:
  ~ProgramTest() override {
    ::setenv("PATH", path_.c_str(), 1);
    fs::current_path(folder_before_);
  }
  std::string executable(const std::string& name) {
    std::string path = folder_.write(name, "");
    ::chmod(path.c_str(), 0755);
    return path;
  }

  test::TempDir folder_;
  std::string path_ = std::getenv("PATH");
  fs::path folder_before_ = fs::current_path();
};

TEST_F(ProgramTest, APathIsMadeAbsolute) {
  EXPECT_EQ(program_path("/usr/sbin/baton"), "/usr/sbin/baton");
  fs::current_path(folder_.path());
  EXPECT_EQ(program_path("bin/baton"), (fs::current_path() / "bin/baton").string());
}

TEST_F(ProgramTest, LinksAreNotFollowed) {
  const std::string real = executable("real");
  const std::string link = (folder_.path() / "link").string();
  fs::create_symlink(real, link);
  EXPECT_EQ(program_path(link), link);
}

TEST_F(ProgramTest, ANameIsLookedForInPath) {
  folder_.write("a/baton", "not executable");
  fs::create_directories(folder_.path() / "b" / "baton");
  const std::string wanted = executable("c/baton");
  executable("d/baton");
  const std::string in = folder_.path().string();
  ::setenv("PATH", (in + "/a:" + in + "/b:" + in + "/none:" + in + "/c:" + in + "/d").c_str(), 1);
  EXPECT_EQ(program_path("baton"), wanted);
  fs::current_path(folder_.path() / "c");
  ::setenv("PATH", "", 1);
  EXPECT_EQ(program_path("baton"), fs::read_symlink("/proc/self/exe").string());
}

}  // namespace
}  // namespace baton
