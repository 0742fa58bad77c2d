#include "master/pid_file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <stdexcept>

#include "tests/support/temp_dir.h"
#include "tests/support/wait.h"

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

// A process with the name of this one, which is what makes it a server.
class Namesake {
 public:
  explicit Namesake(const char* name = nullptr) : pid_(::fork()) {
    if (pid_ == 0) {
      if (name != nullptr) ::prctl(PR_SET_NAME, name);
      for (;;) ::pause();
    }
  }
  Namesake(const Namesake&) = delete;
  Namesake& operator=(const Namesake&) = delete;
  ~Namesake() { end(); }

  [[nodiscard]] pid_t pid() const { return pid_; }
  // It stays a zombie until wait().
  void end() const {
    ::kill(pid_, SIGKILL);
    siginfo_t info{};
    ::waitid(P_PID, static_cast<id_t>(pid_), &info, WEXITED | WNOWAIT);
  }
  void wait() const { ::waitpid(pid_, nullptr, 0); }

 private:
  pid_t pid_;
};

TEST(PidFile, IsNotTakenFromALivingServer) {
  const test::TempDir folder;
  const Namesake other;
  const std::string text = std::to_string(other.pid()) + "\n";
  const std::string path = folder.write("a.pid", text);
  try {
    const PidFile file(path);
    ADD_FAILURE() << "it was replaced";
  } catch (const std::runtime_error& error) {
    EXPECT_THAT(error.what(), testing::HasSubstr("running as pid " + std::to_string(other.pid())));
  }
  EXPECT_EQ(folder.read("a.pid"), text);
  other.end();
  {
    const PidFile file(path);  // a zombie is no server
  }
  other.wait();
}

TEST(PidFile, APidThatIsAnotherProgramsNowIsNoServer) {
  const test::TempDir folder;
  const Namesake other("somebody else");
  ASSERT_TRUE(test::wait_until([&] {
    std::ifstream name("/proc/" + std::to_string(other.pid()) + "/comm");
    std::string text;
    return std::getline(name, text) && text == "somebody else";
  }));
  const PidFile file(folder.write("a.pid", std::to_string(other.pid()) + "\n"));
  EXPECT_EQ(folder.read("a.pid"), std::to_string(::getpid()) + "\n");
  other.end();
  other.wait();
}

TEST(PidFile, OneThatNamesThisProcessAlreadyIsWrittenAnew) {
  const test::TempDir folder;
  const PidFile file(folder.write("a.pid", std::to_string(::getpid()) + "\n"));
  EXPECT_EQ(folder.read("a.pid"), std::to_string(::getpid()) + "\n");
}

TEST(PidFile, StaysWhenItIsSomebodyElsesByNow) {
  const test::TempDir folder;
  {
    const PidFile file((folder.path() / "a.pid").string());
    folder.write("a.pid", "77\n");
  }
  EXPECT_EQ(folder.read("a.pid"), "77\n");
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
