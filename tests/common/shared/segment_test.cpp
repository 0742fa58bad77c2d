#include "common/shared/segment.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include <atomic>
#include <csignal>
#include <cstddef>
#include <filesystem>
#include <limits>
#include <stdexcept>
#include <thread>
#include <vector>

#include "common/base/unique_fd.h"
#include "tests/support/test_segment.h"

namespace baton {
namespace {

using test::become_master;
using test::kSmall;
using test::SegmentName;
using testing::HasSubstr;

UniqueFd open_object(const std::string& name) {
  return UniqueFd(::shm_open(name.c_str(), O_RDWR | O_CLOEXEC, 0));
}

void expect_attach_fails(const std::string& name, const std::string& because) {
  try {
    const Segment segment = Segment::attach(name);
    ADD_FAILURE() << "attached to a segment that is not one";
  } catch (const std::runtime_error& error) {
    EXPECT_THAT(error.what(), HasSubstr(because));
  }
}

TEST(Segment, AttachedSegmentShowsWhatTheCreatorWrites) {
  const SegmentName name;
  const Segment created = Segment::create(name.text(), kSmall);
  const Segment attached = Segment::attach(name.text());
  EXPECT_EQ(attached.header().slot_count, kSmall.slots);
  EXPECT_EQ(attached.connections().size(), kSmall.slots);
  EXPECT_EQ(attached.scoreboard().size(), kSmall.workers);
  EXPECT_EQ(attached.log_buffers().size(), kSmall.workers);

  created.header().generation = 7;
  created.scoreboard()[3].pid = 4711;
  created.connections().open(63, 2);
  created.connections().notes(63).parked.status = 206;
  ASSERT_TRUE(created.log_buffers()[3].append("line\n", 1));
  EXPECT_EQ(attached.header().generation, 7U);
  EXPECT_EQ(attached.scoreboard()[3].pid, 4711);
  EXPECT_EQ(attached.connections().claim(63).holder, 2);
  EXPECT_EQ(attached.connections().notes(63).parked.status, 206);
  EXPECT_EQ(attached.log_buffers()[3].length, 5U);
}

// Written by a worker that has gone wrong.
TEST(Segment, NoNumberInItLeadsOutOfIt) {
  const SegmentName name;
  const Segment segment = Segment::create(name.text(), kSmall);
  SegmentHeader& header = segment.header();
  for (const int highest : {64, 1'000'000, std::numeric_limits<int>::max()}) {
    header.highest_fd = highest;
    EXPECT_EQ(segment.highest_fd(), 63);
  }
  header.highest_fd = -100;
  EXPECT_EQ(segment.highest_fd(), -1);

  header.listener_count = 0xffffffff;
  for (auto& fd : header.listener_fds) fd = -1;
  header.listener_fds[0] = 7;
  header.listener_fds[1] = 64;
  header.listener_fds[kMaxListeners - 1] = 63;
  std::vector<int> seen;
  segment.for_each_listener([&seen](int fd) { seen.push_back(fd); });
  EXPECT_EQ(seen, (std::vector<int>{7, 63}));

  header.slot_count = 1'000'000;
  header.worker_count = 1'000'000;
  EXPECT_EQ(segment.connections().size(), kSmall.slots);
  EXPECT_EQ(segment.scoreboard().size(), kSmall.workers);
  const Segment again = Segment::take_over(name.text(), kSmall);
  EXPECT_EQ(again.connections().size(), kSmall.slots);
  EXPECT_EQ(again.header().slot_count, kSmall.slots) << "put right";
  EXPECT_THROW(Segment::take_over(name.text(), {kSmall.slots + 4096, kSmall.workers}), std::runtime_error);
}

TEST(Segment, IsReadableByItsOwnerOnly) {
  const SegmentName name;
  const Segment created = Segment::create(name.text(), kSmall);
  struct stat status {};
  const UniqueFd object = open_object(name.text());
  ASSERT_EQ(::fstat(object.get(), &status), 0);
  EXPECT_EQ(status.st_mode & 07777U, 0600U);
}

TEST(Segment, MembersOfANewOneHaveTheirInitialValues) {
  const SegmentName name;
  const Segment segment = Segment::create(name.text(), kSmall);
  EXPECT_EQ(segment.header().reload.sequence, 0U);
  EXPECT_EQ(segment.connections().claim(0).state, SlotState::kFree);
  EXPECT_EQ(segment.scoreboard()[0].state, WorkerState::kEmpty);
  EXPECT_EQ(segment.scoreboard()[0].flight.connection, FlightRecord::kNoConnection);
  EXPECT_EQ(segment.log_buffers()[0].length, 0U);
}

TEST(Segment, AttachNeedsOneThatExists) {
  expect_attach_fails(test::unique_segment_name(), "no server is running");
}

TEST(Segment, AttachRefusesAWrongMagic) {
  const SegmentName name;
  const Segment created = Segment::create(name.text(), kSmall);
  created.header().magic[0] = 'x';
  expect_attach_fails(name.text(), "not a baton segment");
}

TEST(Segment, AttachRefusesAnotherLayoutAndNamesBothVersions) {
  const SegmentName name;
  const Segment created = Segment::create(name.text(), kSmall);
  created.header().layout_version = kLayoutVersion + 6;
  expect_attach_fails(name.text(), "version " + std::to_string(kLayoutVersion + 6));
  expect_attach_fails(name.text(), "reads version " + std::to_string(kLayoutVersion));
  created.header().layout_version = kLayoutVersion;
  created.header().fingerprint += 1;
  expect_attach_fails(name.text(), "another build");
}

TEST(Segment, AttachRefusesOtherSizesOfItsParts) {
  const SegmentName name;
  const Segment created = Segment::create(name.text(), kSmall);
  created.header().slot_bytes += 64;
  expect_attach_fails(name.text(), "layout");
  created.header().slot_bytes -= 64;
  created.header().slot_count += 4096;
  expect_attach_fails(name.text(), "sizes do not fit");
}

TEST(Segment, AttachRefusesATruncatedOne) {
  const SegmentName name;
  const Segment created = Segment::create(name.text(), kSmall);
  const UniqueFd object = open_object(name.text());
  const auto whole = static_cast<off_t>(created.header().total_bytes);
  ASSERT_EQ(::ftruncate(object.get(), whole - 4096), 0);
  expect_attach_fails(name.text(), "sizes do not fit");
  ASSERT_EQ(::ftruncate(object.get(), 100), 0);
  expect_attach_fails(name.text(), "not complete");
  ASSERT_EQ(::ftruncate(object.get(), 0), 0);
  expect_attach_fails(name.text(), "not complete");
}

TEST(Segment, CreateRefusesWhileTheMasterIsAlive) {
  const SegmentName name;
  const Segment first = Segment::create(name.text(), kSmall);
  become_master(first);
  try {
    const Segment second = Segment::create(name.text(), kSmall);
    ADD_FAILURE() << "two masters would share one name";
  } catch (const std::runtime_error& error) {
    EXPECT_THAT(error.what(), HasSubstr("already running as pid " + std::to_string(::getpid())));
  }
  EXPECT_EQ(Segment::attach(name.text()).header().master_pid, ::getpid());
}

TEST(Segment, CreateReplacesOneWhoseMasterIsDead) {
  const SegmentName name;
  const Segment first = Segment::create(name.text(), kSmall);
  const pid_t child = ::fork();
  ASSERT_GE(child, 0);
  if (child == 0) ::_exit(0);
  first.header().master_pid = child;
  first.header().master_start = process_start(child);
  ASSERT_EQ(::waitpid(child, nullptr, 0), child);

  const Segment second = Segment::create(name.text(), kSmall);
  EXPECT_EQ(Segment::attach(name.text()).header().master_pid, ::getpid());
  EXPECT_EQ(first.header().master_pid, child) << "the old mapping must stay whole for who still has it";
}

TEST(Segment, CreateReplacesWhatIsNotASegment) {
  const SegmentName name;
  const UniqueFd foreign(::shm_open(name.text().c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600));
  ASSERT_TRUE(foreign);
  const Segment created = Segment::create(name.text(), kSmall);
  EXPECT_EQ(Segment::attach(name.text()).header().slot_count, kSmall.slots);
}

// What there is no room for is an error at the start, not SIGBUS in the middle of a request. The limit stands
// for a full /dev/shm: to fill that would hurt others.
TEST(Segment, CreateNeedsAllOfItsMemory) {
  const SegmentName name;
  const pid_t child = ::fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    ::signal(SIGXFSZ, SIG_IGN);
    const rlimit limit{1 << 20, 1 << 20};
    ::setrlimit(RLIMIT_FSIZE, &limit);
    try {
      const Segment segment = Segment::create(name.text(), kSmall);
      ::_exit(1);
    } catch (const std::runtime_error& error) {
      const bool told = std::string(error.what()).find("MiB: File too large") != std::string::npos;
      ::_exit(told && !open_object(name.text()) ? 0 : 2);
    }
  }
  int status = -1;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  EXPECT_EQ(status, 0);

  const Segment segment = Segment::create(name.text(), kSmall);
  struct stat whole {};
  ASSERT_EQ(::fstat(open_object(name.text()).get(), &whole), 0);
  EXPECT_GE(whole.st_blocks * 512, whole.st_size);
}

TEST(Segment, UnlinkRemovesTheNameAndKeepsTheMapping) {
  const SegmentName name;
  Segment segment = Segment::create(name.text(), kSmall);
  segment.unlink();
  expect_attach_fails(name.text(), "no server is running");
  segment.header().generation = 3;
  EXPECT_EQ(segment.header().generation, 3U);
}

TEST(SegmentName, DependsOnTheFileNotOnHowItIsWritten) {
  const std::string here = std::filesystem::current_path();
  EXPECT_EQ(Segment::name_for("conf/x.toml"), Segment::name_for(here + "/conf/./x.toml"));
  EXPECT_EQ(Segment::name_for("conf/x.toml"), Segment::name_for("conf/../conf/x.toml"));
  EXPECT_NE(Segment::name_for("conf/x.toml"), Segment::name_for("conf/y.toml"));
}

TEST(MasterAlive, NeedsThePidAndItsStartTime) {
  const SegmentName name;
  const Segment segment = Segment::create(name.text(), kSmall);
  EXPECT_TRUE(master_alive(segment.header()));
  segment.header().master_start += 1;  // the same pid, another process
  EXPECT_FALSE(master_alive(segment.header()));
}

TEST(MasterAlive, IsFalseForAPidThatIsGoneEvenBeforeItsStartTimeWasWritten) {
  const SegmentName name;
  const Segment segment = Segment::create(name.text(), kSmall);
  const pid_t child = ::fork();
  ASSERT_GE(child, 0);
  if (child == 0) ::_exit(0);
  ASSERT_EQ(::waitpid(child, nullptr, 0), child);
  segment.header().master_pid = child;
  EXPECT_FALSE(master_alive(segment.header()));
}

TEST(MasterAlive, IsFalseForAZombie) {
  const SegmentName name;
  const Segment segment = Segment::create(name.text(), kSmall);
  const pid_t child = ::fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    ::pause();
    ::_exit(0);
  }
  segment.header().master_pid = child;
  segment.header().master_start = process_start(child);
  EXPECT_TRUE(master_alive(segment.header()));
  ASSERT_EQ(::kill(child, SIGKILL), 0);
  siginfo_t info{};
  ASSERT_EQ(::waitid(P_PID, static_cast<id_t>(child), &info, WEXITED | WNOWAIT), 0);
  EXPECT_FALSE(master_alive(segment.header()));
  ASSERT_EQ(::waitpid(child, nullptr, 0), child);
}

// Whose entry in /proc may be open already, but can no longer be read.
TEST(ProcessStart, MayBeAskedOfAProcessThatIsBeingBuried) {
  for (int i = 0; i < 300; ++i) {
    const pid_t child = ::fork();
    if (child == 0) ::_exit(0);
    std::atomic<bool> buried{false};
    const std::jthread undertaker([&] {
      ::waitpid(child, nullptr, 0);
      buried = true;
    });
    while (!buried) ASSERT_NO_THROW(process_start(child));
  }
}

TEST(ProcessStart, TellsProcessesApart) {
  EXPECT_GT(process_start(::getpid()), 0U);
  EXPECT_EQ(process_start(::getpid()), process_start(::getpid()));
  EXPECT_GE(process_start(::getpid()), process_start(1));
  EXPECT_EQ(process_start(-1), 0U);
}

}  // namespace
}  // namespace baton
