// The shared memory objects that dictionaries are kept in.
#include "common/dict/object.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <functional>
#include <stdexcept>
#include <string>

#include "common/base/unique_fd.h"
#include "common/dict/shared_dict.h"
#include "tests/support/dict_check.h"
#include "tests/support/test_dict.h"

namespace baton {
namespace {

using test::kSmallDict;
using test::SegmentName;
using testing::HasSubstr;

UniqueFd open_object(const std::string& name) {
  return UniqueFd(::shm_open(name.c_str(), O_RDWR | O_CLOEXEC, 0));
}

std::string why_not(const std::function<void()>& what) {
  try {
    what();
    return "";
  } catch (const std::runtime_error& error) {
    return error.what();
  }
}

std::string why_not_open(const std::string& name) {
  return why_not([&] { static_cast<void>(open_dict(name)); });
}

TEST(DictObject, IsItsOwnersOnlyAndSetAsideWhole) {
  const SegmentName name;
  const auto memory = create_dict(name.text(), "d", kSmallDict + 1);
  struct stat status {};
  ASSERT_EQ(::fstat(open_object(name.text()).get(), &status), 0);
  EXPECT_EQ(status.st_mode & 07777U, 0600U);
  EXPECT_EQ(status.st_size, static_cast<off_t>(kSmallDict + 1));
  EXPECT_GE(status.st_blocks * 512, static_cast<off_t>(kSmallDict));
  EXPECT_EQ(test::problem_of(memory.get_address()), "");
}

TEST(DictObject, OpenedAgainHasWhatWasInIt) {
  const SegmentName name;
  DictCounters counters;
  {
    const auto memory = create_dict(name.text(), "d", kSmallDict);
    EXPECT_EQ(SharedDict(memory.get_address(), counters).set("a", "1", 0), SharedDict::Status::kOk);
  }
  const auto memory = open_dict(name.text());
  std::string value;
  EXPECT_EQ(SharedDict(memory.get_address(), counters).get("a", value), SharedDict::Status::kOk);
  EXPECT_EQ(value, "1");
}

TEST(DictObject, CreatingReplacesWhatHasTheName) {
  const SegmentName name;
  DictCounters counters;
  const auto first = create_dict(name.text(), "d", kSmallDict);
  SharedDict(first.get_address(), counters).set("a", "1", 0);
  const auto second = create_dict(name.text(), "d", 2 * kSmallDict);
  std::string value;
  EXPECT_EQ(SharedDict(second.get_address(), counters).get("a", value), SharedDict::Status::kNotFound);
  EXPECT_EQ(SharedDict(first.get_address(), counters).get("a", value), SharedDict::Status::kOk);
}

TEST(DictObject, KeysFallElsewhereInEach) {
  const SegmentName a;
  const SegmentName b;
  const auto key_of = [](const boost::interprocess::mapped_region& memory) {
    return static_cast<const DictHeader*>(memory.get_address())->hash_key;
  };
  EXPECT_NE(key_of(create_dict(a.text(), "d", kSmallDict)).low,
            key_of(create_dict(b.text(), "d", kSmallDict)).low);
}

TEST(DictObject, OpeningRefusesWhatItDoesNotKnow) {
  const SegmentName name;
  EXPECT_THAT(why_not_open(name.text()), HasSubstr("No such file"));
  const auto memory = create_dict(name.text(), "d", kSmallDict);
  auto& header = *static_cast<DictHeader*>(memory.get_address());
  EXPECT_EQ(why_not_open(name.text()), "");
  header.layout_version += 7;
  EXPECT_THAT(why_not_open(name.text()), HasSubstr("layout is version 8, this program's is 1"));
  header.layout_version -= 7;
  header.fingerprint ^= 1;
  EXPECT_THAT(why_not_open(name.text()), HasSubstr("another build"));
  header.fingerprint ^= 1;
  header.cell_count += 1;
  EXPECT_THAT(why_not_open(name.text()), HasSubstr("sizes do not fit"));
  header.cell_count -= 1;
  header.magic[0] = 'x';
  EXPECT_THAT(why_not_open(name.text()), HasSubstr("not a baton dictionary"));
  header.magic[0] = 'b';
  ASSERT_EQ(::ftruncate(open_object(name.text()).get(), kSmallDict - 4096), 0);
  EXPECT_THAT(why_not_open(name.text()), HasSubstr("sizes do not fit"));
  ASSERT_EQ(::ftruncate(open_object(name.text()).get(), 100), 0);
  EXPECT_THAT(why_not_open(name.text()), HasSubstr("not complete"));
}

// What there is no room for is an error at once, not SIGBUS later. The limit stands for a full /dev/shm: to
// fill that would hurt others.
TEST(DictObject, WhatCannotBeSetAsideIsAnErrorThatLeavesNothing) {
  const SegmentName name;
  const pid_t child = ::fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    ::signal(SIGXFSZ, SIG_IGN);
    const rlimit limit{1 << 20, 1 << 20};
    ::setrlimit(RLIMIT_FSIZE, &limit);
    const std::string why = why_not([&] { create_dict(name.text(), "big", 2 << 20); });
    const bool told =
        why.find("'big' of 2048 KiB") != std::string::npos && why.find("File too large") != std::string::npos;
    ::_exit(told && !open_object(name.text()) ? 0 : 1);
  }
  int status = -1;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  EXPECT_EQ(status, 0);
}

TEST(DictObject, LeftoversAreThoseOfTheInstanceAlone) {
  const SegmentName segment;
  const SegmentName mine(dict_object_name(segment.text(), "a.b"));
  const SegmentName other(dict_object_name(segment.text() + "0", "a"));
  create_dict(mine.text(), "a.b", kSmallDict);
  create_dict(other.text(), "a", kSmallDict);
  const Segment main = Segment::create(segment.text(), test::kSmall);
  remove_dicts_of(segment.text());
  EXPECT_FALSE(open_object(mine.text()));
  EXPECT_TRUE(open_object(other.text()));
  EXPECT_TRUE(open_object(segment.text()));
}

}  // namespace
}  // namespace baton
