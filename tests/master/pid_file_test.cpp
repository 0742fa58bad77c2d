#include "master/pid_file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <stdexcept>

#include "tests/support/temp_dir.h"

namespace baton {
namespace {

TEST(PidFile, NamesThisProcessAndGoesWithIt) {
  const test::TempDir folder;
  const std::string path = (folder.path() / "a.pid").string();
  {
    const PidFile file(path);
    EXPECT_EQ(folder.read("a.pid"), std::to_string(::getpid()) + "\n");
  }
  EXPECT_FALSE(std::filesystem::exists(path));
}

TEST(PidFile, ReplacesOneThatWasLeftBehind) {
  const test::TempDir folder;
  const PidFile file(folder.write("a.pid", "999999999\n"));
  EXPECT_EQ(folder.read("a.pid"), std::to_string(::getpid()) + "\n");
}

TEST(PidFile, SaysWhyItCannotBeWritten) {
  const test::TempDir folder;
  const std::string path = (folder.path() / "none" / "a.pid").string();
  try {
    const PidFile file(path);
    FAIL() << "it was written";
  } catch (const std::runtime_error& error) {
    EXPECT_THAT(error.what(), testing::HasSubstr(path));
    EXPECT_THAT(error.what(), testing::HasSubstr("No such file"));
  }
}

TEST(PidFile, NoneWasAskedFor) {
  const test::TempDir folder;
  const PidFile file("");
  EXPECT_TRUE(std::filesystem::is_empty(folder.path()));
}

}  // namespace
}  // namespace baton
