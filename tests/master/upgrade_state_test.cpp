#include "master/upgrade_state.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/mman.h>

#include <cstdlib>
#include <stdexcept>
#include <string_view>

namespace baton {
namespace {

using Stage = UpgradeState::Listener::Stage;

UpgradeState example() {
  UpgradeState state;
  state.version = "1.2.3";
  state.begun_ns = ~std::uint64_t{0};
  state.epoll_fd = 5;
  state.error_log = "/var/log/\xff not UTF-8";
  state.error_log_fd = 4;
  state.pid_file = "/run/pid";
  state.reload_asked = true;
  state.capacity = 77;
  state.slots = 88;
  state.entries = 7;
  state.listeners = {{"*:80", "0.0.0.0:80", 511, 7, Stage::kActive},
                     {"unix:s", "unix:/etc/s", 1, 8, Stage::kPrepared},
                     {"[::]:80", "[::]:80", 2, 9, Stage::kRemoved}};
  state.generations = {{3, "stdout", -1, {{100, 5, 0, 2}, {101, 6, 1, 0}}}, {2, "/a.log", 11, {}}};
  return state;
}

TEST(UpgradeState, ArrivesAsItWasSaved) {
  const UpgradeState before = example();
  const UniqueFd fd = before.save();
  const UpgradeState after = UpgradeState::load(fd.get());
  EXPECT_EQ(after.version, before.version);
  EXPECT_EQ(after.begun_ns, before.begun_ns);
  EXPECT_EQ(after.epoll_fd, before.epoll_fd);
  EXPECT_EQ(after.error_log, before.error_log);
  EXPECT_EQ(after.error_log_fd, before.error_log_fd);
  EXPECT_EQ(after.pid_file, before.pid_file);
  EXPECT_EQ(after.reload_asked, before.reload_asked);
  EXPECT_EQ(after.capacity, 77U);
  EXPECT_EQ(after.slots, 88U);
  EXPECT_EQ(after.entries, 7U);
  ASSERT_EQ(after.listeners.size(), 3U);
  for (std::size_t i = 0; i < 3; ++i) {
    EXPECT_EQ(after.listeners[i].text, before.listeners[i].text);
    EXPECT_EQ(after.listeners[i].address, before.listeners[i].address);
    EXPECT_EQ(after.listeners[i].backlog, before.listeners[i].backlog);
    EXPECT_EQ(after.listeners[i].fd, before.listeners[i].fd);
    EXPECT_EQ(after.listeners[i].stage, before.listeners[i].stage);
  }
  ASSERT_EQ(after.generations.size(), 2U);
  EXPECT_EQ(after.generations[0].number, 3U);
  EXPECT_EQ(after.generations[0].access_log, "stdout");
  EXPECT_EQ(after.generations[1].access_log_fd, 11);
  ASSERT_EQ(after.generations[0].workers.size(), 2U);
  const UpgradeState::Worker& worker = after.generations[0].workers[0];
  EXPECT_EQ(worker.pid, 100);
  EXPECT_EQ(worker.index, 5);
  EXPECT_EQ(worker.ordinal, 0U);
  EXPECT_EQ(worker.restarts, 2U);
}

void seal(int fd) {
  ASSERT_EQ(::fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL), 0);
}

TEST(UpgradeState, CannotBeWrittenAnyMore) {
  const UniqueFd fd = example().save();
  EXPECT_EQ(::pwrite(fd.get(), "x", 1, 0), -1);
  EXPECT_NE(::ftruncate(fd.get(), 0), 0);
}

TEST(UpgradeState, AFileThatCouldStillBeWrittenIsRefused) {
  const UniqueFd saved = example().save();
  const UniqueFd copy(::memfd_create("copy", MFD_CLOEXEC | MFD_ALLOW_SEALING));
  char bytes[4096];
  const ssize_t size = ::pread(saved.get(), bytes, sizeof bytes, 0);
  ASSERT_EQ(::pwrite(copy.get(), bytes, static_cast<std::size_t>(size), 0), size);
  EXPECT_THROW(UpgradeState::load(copy.get()), std::runtime_error);
  seal(copy.get());
  EXPECT_EQ(UpgradeState::load(copy.get()).version, "1.2.3");
}

// The worst that who shares the table can do: as good a file, sealed, under the same number.
TEST(UpgradeState, AnotherFileUnderTheNumberIsRefused) {
  const int fd = example().save().release();
  const std::string name = name_of_state(fd);
  UpgradeState forged = example();
  forged.generations[0].workers[0].pid = 1;
  const UniqueFd other = forged.save();
  ASSERT_EQ(::dup2(other.get(), fd), fd);
  ::setenv(kUpgradeVariable, name.c_str(), 1);
  EXPECT_THROW(inherited_state(), std::runtime_error);
}

TEST(UpgradeState, AWorkerThatCannotBeIsRefused) {
  UpgradeState state = example();
  state.generations[0].workers[0].index = 7;
  EXPECT_THROW(UpgradeState::load(state.save().get()), std::runtime_error);
  state = example();
  state.generations[0].workers[0].pid = -1;
  EXPECT_THROW(UpgradeState::load(state.save().get()), std::runtime_error);
}

TEST(UpgradeState, AnythingElseIsRefused) {
  for (const std::string_view bytes : {"", "rubbish", "\xa0", "{}"}) {
    const UniqueFd fd(::memfd_create("test", MFD_CLOEXEC | MFD_ALLOW_SEALING));
    ASSERT_EQ(::pwrite(fd.get(), bytes.data(), bytes.size(), 0), static_cast<ssize_t>(bytes.size()));
    seal(fd.get());
    EXPECT_THROW(UpgradeState::load(fd.get()), std::runtime_error) << bytes;
  }
  EXPECT_THROW(UpgradeState::load(-1), std::runtime_error);
}

TEST(UpgradeState, IsInheritedOnceAndLeavesNoTrace) {
  ::unsetenv(kUpgradeVariable);
  EXPECT_FALSE(inherited_state());
  const int fd = example().save().release();
  ::setenv(kUpgradeVariable, name_of_state(fd).c_str(), 1);
  const auto state = inherited_state();
  ASSERT_TRUE(state);
  EXPECT_EQ(state->version, "1.2.3");
  EXPECT_EQ(::fcntl(fd, F_GETFD), -1);
  EXPECT_FALSE(inherited_state());
}

}  // namespace
}  // namespace baton
