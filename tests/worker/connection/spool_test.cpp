#include "worker/connection/spool.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>

#include "common/base/unique_fd.h"
#include "tests/support/temp_dir.h"

namespace baton {
namespace {

bool in_memory(int fd) {
  return ::fcntl(fd, F_GET_SEALS) >= 0;
}

std::string content(int fd) {
  struct stat status {};
  EXPECT_EQ(::fstat(fd, &status), 0);
  std::string text(static_cast<std::size_t>(status.st_size), '\0');
  EXPECT_EQ(::pread(fd, text.data(), text.size(), 0), status.st_size);
  return text;
}

class Spool : public testing::Test {
 protected:
  ~Spool() override {
    if (slot_.spool_fd >= 0) ::close(slot_.spool_fd);
  }

  test::TempDir folder_;
  std::string path_ = folder_.path().string();
  SpoolPlace place_{path_, 1'000};
  Slot slot_;
};

TEST_F(Spool, InMemoryUpToTheLimitAndOnDiskAbove) {
  const SpoolFile small = open_spool("test", {1'000, 1'000}, place_);
  const SpoolFile large = open_spool("test", {10, 1'001}, place_);
  ASSERT_TRUE(small && large);
  EXPECT_TRUE(in_memory(small.get()));
  EXPECT_FALSE(in_memory(large.get()));
  EXPECT_TRUE(std::filesystem::is_empty(path_)) << "it has no name";
}

TEST_F(Spool, MovesToDiskWithAllThatItHolds) {
  slot_.spool_fd = ::memfd_create("test", MFD_CLOEXEC);
  ASSERT_TRUE(write_all(slot_.spool_fd, "head and body", 13, 0));
  const int before = slot_.spool_fd;
  EXPECT_TRUE(fit_spool(slot_, {1'000, 1'000}, place_));
  EXPECT_EQ(slot_.spool_fd, before);
  EXPECT_TRUE(fit_spool(slot_, {1'001, 1'001}, place_));
  EXPECT_FALSE(in_memory(slot_.spool_fd));
  EXPECT_EQ(content(slot_.spool_fd), "head and body");
  EXPECT_EQ(::fcntl(before, F_GETFD), -1) << "the one before is closed";
  const int moved = slot_.spool_fd;
  EXPECT_TRUE(fit_spool(slot_, {100'000, 100'000}, place_));
  EXPECT_EQ(slot_.spool_fd, moved) << "once is enough";
  ASSERT_TRUE(write_all(slot_.spool_fd, "!", 1, 13));
  EXPECT_EQ(content(slot_.spool_fd), "head and body!");
}

TEST_F(Spool, StaysWhereItIsWhenThereIsNoPlace) {
  slot_.spool_fd = ::memfd_create("test", MFD_CLOEXEC);
  ASSERT_TRUE(write_all(slot_.spool_fd, "head", 4, 0));
  const std::string missing = path_ + "/missing";
  const int before = slot_.spool_fd;
  EXPECT_FALSE(fit_spool(slot_, {2'000, 2'000}, {missing, 1'000}));
  EXPECT_EQ(errno, ENOENT);
  EXPECT_EQ(slot_.spool_fd, before);
  EXPECT_EQ(content(slot_.spool_fd), "head");
}

TEST_F(Spool, IsMappedFromAnywhereInIt) {
  const SpoolFile fd = open_spool("test", {1, 1}, place_);
  const std::string bytes = std::string(5'000, 'h') + "body" + std::string(9'000, 't');
  ASSERT_TRUE(write_all(fd.get(), bytes.data(), bytes.size(), 0));
  SpooledBody body;
  ASSERT_TRUE(body.map(fd.get(), 5'000, 4));
  EXPECT_EQ(body.bytes(), "body");
  SpooledBody empty;
  EXPECT_TRUE(empty.map(fd.get(), 5'000, 0));
  EXPECT_EQ(empty.bytes(), "");
  SpooledBody none;
  EXPECT_FALSE(none.map(-1, 0, 1));
}

TEST_F(Spool, AFullDiskIsTold) {
  const UniqueFd full(::open("/dev/full", O_WRONLY | O_CLOEXEC));
  ASSERT_TRUE(full);
  EXPECT_FALSE(write_all(full.get(), "x", 1, 0));
  EXPECT_EQ(errno, ENOSPC);
}

}  // namespace
}  // namespace baton
