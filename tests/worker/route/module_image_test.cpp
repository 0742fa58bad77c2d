#include "worker/route/module_image.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "tests/support/temp_dir.h"

namespace baton::app {
namespace {

using ::testing::HasSubstr;

std::string own_program() {
  return std::filesystem::read_symlink("/proc/self/exe").string();
}

std::string problem_with(const std::string& path) {
  try {
    ModuleImage::read(path);
    return "";
  } catch (const std::runtime_error& error) {
    return error.what();
  }
}

// A program that is linked to run anywhere is a shared object as well.
TEST(ModuleImage, IsACopyThatNobodyCanWriteTo) {
  const test::TempDir folder;
  const std::string path = (folder.path() / "module.so").string();
  std::filesystem::copy_file(own_program(), path);
  const auto image = ModuleImage::read(path);
  EXPECT_EQ(image->path(), path);
  std::ofstream(path) << "overwritten in place";

  const off_t size = ::lseek(image->fd(), 0, SEEK_END);
  EXPECT_EQ(static_cast<std::uintmax_t>(size), std::filesystem::file_size(own_program()));
  char copied[4096];
  char original[sizeof copied];
  const UniqueFd program(::open(own_program().c_str(), O_RDONLY | O_CLOEXEC));
  for (const off_t at : {off_t{0}, size / 2, size - off_t{sizeof copied}}) {
    ASSERT_EQ(::pread(image->fd(), copied, sizeof copied, at), static_cast<ssize_t>(sizeof copied));
    ASSERT_EQ(::pread(program.get(), original, sizeof original, at), static_cast<ssize_t>(sizeof original));
    EXPECT_EQ(std::string_view(copied, sizeof copied), std::string_view(original, sizeof original));
  }
  EXPECT_EQ(::pwrite(image->fd(), "x", 1, 0), -1);
  EXPECT_EQ(::ftruncate(image->fd(), 0), -1);
  EXPECT_EQ(::mmap(nullptr, 1, PROT_WRITE, MAP_SHARED, image->fd(), 0), MAP_FAILED);
}

TEST(ModuleImage, RefusesWhatIsNoSharedObject) {
  const test::TempDir folder;
  EXPECT_THAT(problem_with(folder.write("text.so", std::string(200, 'x'))),
              HasSubstr("is not a shared object"));
  EXPECT_THAT(problem_with(folder.write("empty.so", "")), HasSubstr("is not a shared object"));
  EXPECT_THAT(problem_with(folder.write("short.so",
                                        "\x7f"
                                        "ELF")),
              HasSubstr("is not a shared object"));
  EXPECT_THAT(problem_with(folder.path().string()), HasSubstr("is not a shared object"));
  const std::string missing = (folder.path() / "missing.so").string();
  EXPECT_THAT(problem_with(missing), HasSubstr(missing + ": No such file"));
}

}  // namespace
}  // namespace baton::app
