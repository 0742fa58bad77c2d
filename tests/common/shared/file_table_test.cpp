#include "common/shared/file_table.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/mman.h>

#include <atomic>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "common/base/unique_fd.h"

namespace baton {
namespace {

constexpr std::uint64_t kRoot = 42;
constexpr Tick kNow = 1000;

bool is_open(int fd) {
  return ::fcntl(fd, F_GETFD) >= 0;
}

// One bucket only, so that every path competes for the same ways.
class FileTableTest : public testing::Test {
 protected:
  FileEntry* fill(const std::string& path, FlightRecord& flight, Tick now = kNow) {
    FileEntry* entry = table_.begin_fill(kRoot, path, 0, now);
    if (entry == nullptr) return nullptr;
    entry->fd = ::memfd_create("file", MFD_CLOEXEC);
    entry->kind = FileKind::kRegular;
    table_.publish(*entry, flight);
    return entry;
  }
  void fill_all_ways() {
    for (std::uint32_t i = 0; i < FileTable::kWays; ++i) {
      ASSERT_NE(fill("file" + std::to_string(i), mine(), kNow + i), nullptr);
    }
    FileTable::unpin(mine());
  }
  FlightRecord& mine() { return workers_[0].flight; }
  FlightRecord& others() { return workers_[1].flight; }
  void TearDown() override {
    table_.for_each_fd([](int fd) { ::close(fd); });
  }

  FileTableHeader header_;
  std::vector<FileEntry> entries_{FileTable::kWays};
  std::vector<FileBlock> blocks_{FileTable::kWays};
  std::vector<WorkerEntry> workers_{2};
  FileTable table_{&header_, entries_, blocks_};
};

TEST_F(FileTableTest, FindsAndPinsWhatWasPublished) {
  EXPECT_EQ(table_.find(kRoot, "a.html", mine()), nullptr);
  FileEntry* filled = fill("a.html", mine());
  ASSERT_NE(filled, nullptr);
  EXPECT_NE(mine().pinned_file, 0U);
  FileEntry* found = table_.find(kRoot, "a.html", others());
  EXPECT_EQ(found, filled);
  EXPECT_EQ(others().pinned_file, mine().pinned_file.load());
  EXPECT_EQ(found->path_view(), "a.html");
}

TEST_F(FileTableTest, AMissLeavesNoPin) {
  fill("a.html", mine());
  EXPECT_EQ(table_.find(kRoot, "b.html", mine()), nullptr);
  EXPECT_EQ(mine().pinned_file, 0U);
  EXPECT_EQ(table_.find(kRoot + 1, "a.html", mine()), nullptr) << "another root's file of that name";
}

TEST_F(FileTableTest, NobodyFindsAnEntryThatIsBeingFilled) {
  ASSERT_NE(table_.begin_fill(kRoot, "a.html", 0, kNow), nullptr);
  EXPECT_EQ(table_.find(kRoot, "a.html", mine()), nullptr);
}

TEST_F(FileTableTest, APathThatIsTooLongIsNotKept) {
  EXPECT_EQ(table_.begin_fill(kRoot, std::string(FileEntry::kPathBytes + 1, 'a'), 0, kNow), nullptr);
  const std::string longest(FileEntry::kPathBytes, 'a');
  const FileEntry* filled = fill(longest, mine());
  EXPECT_NE(filled, nullptr);
  EXPECT_EQ(table_.find(kRoot, longest, mine()), filled);
}

TEST_F(FileTableTest, ARetiredEntryIsClosedOnceNobodyHasItPinned) {
  FileEntry* entry = fill("a.html", mine());
  ASSERT_EQ(table_.find(kRoot, "a.html", others()), entry);
  const int fd = entry->fd;
  table_.retire(*entry);
  EXPECT_EQ(table_.find(kRoot, "a.html", mine()), nullptr) << "stale";

  EXPECT_EQ(table_.collect(workers_, 0), 0U) << "pinned by the other worker";
  EXPECT_TRUE(is_open(fd));
  FileTable::unpin(others());
  EXPECT_EQ(table_.collect(workers_, 0), 1U) << "the hint must outlast a collection that found it pinned";
  EXPECT_FALSE(is_open(fd));
  EXPECT_EQ(table_.collect(workers_, 0), 0U);
}

TEST_F(FileTableTest, RetiringTwiceIsHarmless) {
  FileEntry* entry = fill("a.html", mine());
  table_.retire(*entry);
  table_.retire(*entry);
  FileTable::unpin(mine());
  EXPECT_EQ(table_.collect(workers_, 0), 1U);
  EXPECT_EQ(table_.collect(workers_, 0), 0U);
}

TEST_F(FileTableTest, AnAbandonedEntryIsFreeAgain) {
  for (std::uint32_t i = 0; i < 2 * FileTable::kWays; ++i) {
    FileEntry* entry = table_.begin_fill(kRoot, "a.html", 0, kNow);
    ASSERT_NE(entry, nullptr);
    EXPECT_EQ(entry->fd, -1);
    table_.abandon(*entry);
  }
  EXPECT_EQ(table_.find(kRoot, "a.html", mine()), nullptr);
}

TEST_F(FileTableTest, AFullBucketGivesUpTheLeastRecentlyUsed) {
  fill_all_ways();
  FileEntry* first = table_.find(kRoot, "file0", mine());
  ASSERT_NE(first, nullptr);
  first->used = kNow + 50;
  FileTable::unpin(mine());

  EXPECT_EQ(table_.begin_fill(kRoot, "new", 0, kNow + 60), nullptr) << "full: this call makes room";
  EXPECT_EQ(table_.collect(workers_, 0), 1U);
  EXPECT_EQ(table_.find(kRoot, "file1", mine()), nullptr) << "the oldest by use";
  EXPECT_NE(table_.find(kRoot, "file0", mine()), nullptr);
  EXPECT_NE(fill("new", mine(), kNow + 60), nullptr);
}

TEST_F(FileTableTest, EntriesInUseAreNotGivenUp) {
  fill_all_ways();
  EXPECT_EQ(table_.begin_fill(kRoot, "new", 0, kNow + 5), nullptr);
  EXPECT_EQ(table_.collect(workers_, 0), 0U);
  EXPECT_NE(table_.find(kRoot, "file0", mine()), nullptr);
}

// Workers read the clock at different moments: one may be a tick behind another's last use.
TEST_F(FileTableTest, AnEntryUsedAfterThisWorkersClockIsInUse) {
  fill_all_ways();
  EXPECT_EQ(table_.begin_fill(kRoot, "new", 0, kNow - 1), nullptr);
  EXPECT_EQ(table_.collect(workers_, 0), 0U);
}

TEST_F(FileTableTest, AllOfARootAreRetiredAndNothingElse) {
  constexpr std::uint64_t kOtherRoot = 43;
  FileEntry* absent = table_.begin_fill(kRoot, "absent", 0, kNow);
  ASSERT_NE(absent, nullptr);
  absent->kind = FileKind::kMissing;
  table_.publish(*absent, mine());
  FileEntry* other = table_.begin_fill(kOtherRoot, "a", 0, kNow);
  ASSERT_NE(other, nullptr);
  other->kind = FileKind::kMissing;
  table_.publish(*other, mine());
  FileEntry* pinned = fill("a", others());
  FileEntry* filling = table_.begin_fill(kRoot, "b", 0, kNow);
  ASSERT_TRUE(pinned != nullptr && filling != nullptr);
  table_.retire_all_of(kRoot, mine());
  EXPECT_EQ(mine().pinned_file, 0U);
  EXPECT_EQ(table_.find(kRoot, "absent", mine()), nullptr);
  EXPECT_EQ(table_.find(kRoot, "a", mine()), nullptr);
  EXPECT_EQ(table_.find(kOtherRoot, "a", mine()), other);
  EXPECT_EQ(table_.collect(workers_, 0), 1U) << "one is pinned by another worker";
  EXPECT_TRUE(is_open(pinned->fd));
}

TEST_F(FileTableTest, ADeadWorkersUnfinishedEntriesAreEmptied) {
  FileEntry* dead = table_.begin_fill(kRoot, "a", 7, kNow);
  FileEntry* living = table_.begin_fill(kRoot, "b", 8, kNow);
  FileEntry* ready = fill("c", mine());
  ASSERT_TRUE(dead != nullptr && living != nullptr && ready != nullptr);
  dead->fd = ::memfd_create("dead", MFD_CLOEXEC);
  living->fd = ::memfd_create("living", MFD_CLOEXEC);
  const int dead_fd = dead->fd;
  table_.abandon_all_of(7);
  EXPECT_TRUE(is_open(dead_fd)) << "nobody names it any more: the reclaimer closes it";
  ::close(dead_fd);
  EXPECT_TRUE(is_open(living->fd));
  EXPECT_EQ(table_.find(kRoot, "c", mine()), ready);
  std::set<int> fds;
  table_.for_each_fd([&fds](int fd) { fds.insert(fd); });
  EXPECT_EQ(fds, (std::set<int>{living->fd, ready->fd}));
}

TEST_F(FileTableTest, ForWantOfDescriptorsTheLeastRecentlyUsedGiveWay) {
  EXPECT_FALSE(table_.give_way(workers_, 0)) << "there is nothing";
  FileEntry* absent = table_.begin_fill(kRoot, "absent", 0, kNow);
  ASSERT_NE(absent, nullptr);
  absent->kind = FileKind::kMissing;
  table_.publish(*absent, mine());
  const FileEntry* pinned = fill("pinned", others());
  const FileEntry* idle = fill("idle", mine());
  ASSERT_TRUE(pinned != nullptr && idle != nullptr);
  const int in_use = pinned->fd;
  const int fd = idle->fd;
  FileTable::unpin(mine());
  EXPECT_TRUE(table_.give_way(workers_, 0));
  EXPECT_FALSE(is_open(fd));
  EXPECT_TRUE(is_open(in_use));
  EXPECT_EQ(table_.find(kRoot, "absent", mine()), absent) << "it has none";
  FileTable::unpin(others());
  EXPECT_FALSE(table_.give_way(workers_, 0)) << "there is no other";
  EXPECT_FALSE(is_open(in_use)) << "but what was retired before is closed";
}

TEST_F(FileTableTest, TwoThatCollectAtOnceCloseEachDescriptorOnce) {
  for (int round = 0; round < 200; ++round) {
    fill_all_ways();
    std::set<int> fds;
    table_.for_each_fd([&fds](int fd) { fds.insert(fd); });
    for (FileEntry& entry : entries_) table_.retire(entry);
    std::atomic<std::uint32_t> closed = 0;
    std::vector<std::thread> both;
    for (Holder holder = 0; holder < 2; ++holder) {
      both.emplace_back([&, holder] {
        while (closed < FileTable::kWays) {
          header_.stale.fetch_add(1);
          closed += table_.collect(workers_, holder);
        }
      });
    }
    for (std::thread& each : both) each.join();
    EXPECT_EQ(closed, FileTable::kWays);
    for (const int fd : fds) EXPECT_FALSE(is_open(fd));
  }
}

TEST_F(FileTableTest, ListingsHaveSoMuchRoomTogether) {
  constexpr std::uint64_t kHalf = FileTable::kListingBytes / 2;
  const auto list = [this](const std::string& path, Tick now) {
    FileEntry* entry = table_.begin_fill(kRoot, path, 0, now);
    ASSERT_NE(entry, nullptr);
    entry->kind = FileKind::kListing;
    entry->page_bytes = kHalf;
    table_.publish(*entry, mine());
  };
  EXPECT_TRUE(table_.room_for_listing(FileTable::kListingBytes));
  EXPECT_FALSE(table_.room_for_listing(FileTable::kListingBytes + 1));
  list("a", kNow + 1);
  EXPECT_TRUE(table_.room_for_listing(kHalf));
  list("b", kNow);
  ASSERT_NE(fill("file", mine()), nullptr);
  FileTable::unpin(mine());
  EXPECT_FALSE(table_.room_for_listing(1)) << "this call makes room";
  EXPECT_EQ(table_.find(kRoot, "b", mine()), nullptr) << "the oldest by use";
  EXPECT_NE(table_.find(kRoot, "a", mine()), nullptr);
  EXPECT_FALSE(table_.room_for_listing(kHalf + 1)) << "it is still there";
  FileTable::unpin(mine());
  EXPECT_EQ(table_.collect(workers_, 0), 2U);
  EXPECT_TRUE(table_.room_for_listing(FileTable::kListingBytes));
  EXPECT_NE(table_.find(kRoot, "file", mine()), nullptr);
}

TEST_F(FileTableTest, ABlockHoldsItsEntrysBytes) {
  FileEntry* a = fill("a", mine());
  FileEntry* b = fill("b", mine());
  ASSERT_NE(table_.block(*a), table_.block(*b));
  const std::string text = "hello";
  text.copy(table_.block(*a), text.size());
  a->block_bytes = static_cast<std::uint32_t>(text.size());
  EXPECT_EQ(table_.bytes(*a), text);
  EXPECT_EQ(table_.bytes(*b), "");
}

}  // namespace
}  // namespace baton
