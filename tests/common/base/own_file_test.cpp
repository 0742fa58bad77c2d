#include "common/base/own_file.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <stdexcept>

#include "common/base/log_file.h"
#include "tests/support/temp_dir.h"

namespace baton {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;

constexpr uid_t kAnother = 1;  // only root can give anything away

class OwnFile : public testing::Test {
 protected:
  [[nodiscard]] std::string path(const std::string& name) const { return (folder_.path() / name).string(); }
  void append(const std::string& name, const std::string& text) const {
    const UniqueFd fd = open_own_file(path(name), O_WRONLY | O_APPEND);
    ASSERT_EQ(::write(fd.get(), text.data(), text.size()), static_cast<ssize_t>(text.size()));
  }
  // Why it is not opened; empty: it is.
  [[nodiscard]] std::string refusal(const std::string& name) const {
    try {
      const UniqueFd fd = open_own_file(path(name), O_WRONLY | O_APPEND);
      return fd ? "" : std::strerror(errno);
    } catch (const std::runtime_error& error) {
      return error.what();
    }
  }
  void open_to_all() const { fs::permissions(folder_.path(), fs::perms(01777)); }

  test::TempDir folder_;
};

TEST_F(OwnFile, IsMadeAndThenAppendedTo) {
  append("log", "a");
  append("log", "b");
  EXPECT_EQ(folder_.read("log"), "ab");
  struct stat status {};
  ASSERT_EQ(::stat(path("log").c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0137, 0U);
  EXPECT_EQ(refusal("none/log"), "No such file or directory");
}

TEST_F(OwnFile, OnesOwnLinksAreFollowed) {
  fs::create_directory(path("elsewhere"));
  fs::create_symlink("second", path("first"));
  fs::create_symlink("elsewhere/log", path("second"));
  append("first", "a");
  append("first", "b");
  EXPECT_EQ(folder_.read("elsewhere/log"), "ab");
  fs::create_symlink("round", path("round"));
  EXPECT_EQ(refusal("round"), "Too many levels of symbolic links");
}

TEST_F(OwnFile, AnothersLinkIsRefused) {
  if (::geteuid() != 0) return;
  folder_.write("precious", "x");
  fs::create_symlink("precious", path("log"));
  fs::create_symlink("log", path("own"));
  ASSERT_EQ(::lchown(path("log").c_str(), kAnother, kAnother), 0);
  for (const char* name : {"log", "own"})
    EXPECT_THAT(refusal(name), HasSubstr("a link that 'daemon' has made"));
  EXPECT_TRUE(is_anothers(path("log")));
  EXPECT_FALSE(is_anothers(path("own")));
  EXPECT_FALSE(is_anothers(path("none")));
  EXPECT_EQ(folder_.read("precious"), "x");
}

TEST_F(OwnFile, WhatAnotherHasMadeWhereAllMayIsRefused) {
  if (::geteuid() != 0) return;
  folder_.write("log", "");
  ASSERT_EQ(::chown(path("log").c_str(), kAnother, kAnother), 0);
  EXPECT_EQ(refusal("log"), "") << "whoever owns the folder has let it be";
  open_to_all();
  EXPECT_THAT(refusal("log"), HasSubstr("'daemon' has made it"));
}

TEST_F(OwnFile, ASecondNameWhereAllMayGiveOneIsRefused) {
  append("log", "a");
  fs::create_hard_link(path("log"), path("other"));
  EXPECT_EQ(refusal("log"), "");
  open_to_all();
  EXPECT_THAT(refusal("log"), HasSubstr("another name"));
  fs::remove(path("other"));
  EXPECT_EQ(refusal("log"), "");
}

TEST_F(OwnFile, AFolderIsFreeForAllWithoutTheStickyBit) {
  EXPECT_FALSE(is_free_for_all(folder_.path()));
  open_to_all();
  EXPECT_FALSE(is_free_for_all(folder_.path()));
  fs::permissions(folder_.path(), fs::perms(0777));
  EXPECT_TRUE(is_free_for_all(folder_.path()));
  EXPECT_FALSE(is_free_for_all(path("none")));
}

// As in a container: whoever has made the pipe is another user, who has not opened it to this one.
TEST_F(OwnFile, StandardStreamsAreOpenedWhateverTheyAre) {
  for (const char* name : {"/dev/stdout", "/dev/stderr", "/proc/self/fd/1"}) {
    int ends[2];
    ASSERT_EQ(::pipe2(ends, O_CLOEXEC), 0);
    const UniqueFd out(ends[0]);
    UniqueFd in(ends[1]);
    const pid_t child = ::fork();
    ASSERT_GE(child, 0);
    if (child == 0) {
      ::fchmod(in.get(), 0);
      for (const int stream : {STDOUT_FILENO, STDERR_FILENO}) ::dup2(in.get(), stream);
      if (::geteuid() == 0 && ::setresuid(kAnother, kAnother, kAnother) != 0) ::_exit(1);
      try {
        const UniqueFd fd = open_log_file(name);
        ::_exit(::write(fd.get(), "said", 4) == 4 ? 0 : 2);
      } catch (const std::runtime_error&) {
        ::_exit(3);
      }
    }
    in.reset();
    char text[16] = {};
    EXPECT_EQ(::read(out.get(), text, sizeof text), 4) << name;
    int status = -1;
    ASSERT_EQ(::waitpid(child, &status, 0), child);
    EXPECT_EQ(status, 0) << name;
  }
}

}  // namespace
}  // namespace baton
