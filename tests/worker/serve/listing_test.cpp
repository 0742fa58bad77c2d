#include "worker/serve/listing.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "common/base/unique_fd.h"

namespace baton::serve {
namespace {

namespace fs = std::filesystem;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;

class ReadListing : public testing::Test {
 protected:
  ReadListing() {
    std::string name = "/tmp/baton-listing-XXXXXX";
    top_ = ::mkdtemp(name.data());
    root_ = top_ / "root";
    fs::create_directory(root_);
  }
  ~ReadListing() override { fs::remove_all(top_); }

  static void write(const fs::path& path, std::string_view content) { std::ofstream(path) << content; }

  static std::vector<ListingEntry> read(const fs::path& path, int flags = O_RDONLY) {
    const UniqueFd fd(::open(path.c_str(), flags | O_DIRECTORY | O_CLOEXEC));
    EXPECT_TRUE(fd);
    return read_listing(fd.get());
  }

  static std::vector<std::string> names(const std::vector<ListingEntry>& entries) {
    std::vector<std::string> result;
    result.reserve(entries.size());
    for (const ListingEntry& entry : entries) result.push_back(entry.name + (entry.directory ? "/" : ""));
    return result;
  }

  fs::path top_;
  fs::path root_;
};

TEST_F(ReadListing, PutsDirectoriesFirstThenNamesWithoutRegardToCase) {
  for (const char* const name : {"b.txt", "A.txt", "a.txt", "C", "_", ".hidden", "\xC3\xA9"})
    write(root_ / name, "");
  for (const char* const name : {"zoo", "Yard", ".git"}) fs::create_directory(root_ / name);
  EXPECT_THAT(names(read(root_)),
              ElementsAre("Yard/", "zoo/", "_", "A.txt", "a.txt", "b.txt", "C", "\xC3\xA9"));
}

TEST_F(ReadListing, TellsSizeAndTime) {
  write(root_ / "file", "12345");
  fs::create_directory(root_ / "directory");
  const std::array<timespec, 2> times = {timespec{0, 0}, timespec{784111777, 999'999'999}};
  ASSERT_EQ(::utimensat(AT_FDCWD, (root_ / "file").c_str(), times.data(), 0), 0);
  const std::vector<ListingEntry> entries = read(root_);
  ASSERT_EQ(entries.size(), 2U);
  EXPECT_EQ(entries[0].size, 0U);
  EXPECT_GT(entries[0].modified, 784111777);
  EXPECT_EQ(entries[1].size, 5U);
  EXPECT_EQ(entries[1].modified, 784111777);
}

TEST_F(ReadListing, FollowsLinksInsideTheDirectoryOnly) {
  write(root_ / "file", "1234");
  fs::create_directories(root_ / "sub" / "deeper");
  write(top_ / "secret", "x");
  fs::create_symlink("file", root_ / "to-file");
  fs::create_symlink("sub/deeper", root_ / "to-directory");
  fs::create_symlink("sub/../file", root_ / "to-and-fro");
  fs::create_symlink("to-file", root_ / "to-link");
  fs::create_symlink("../secret", root_ / "outside");
  fs::create_symlink("../root/file", root_ / "outside-and-back");
  fs::create_symlink(root_ / "file", root_ / "absolute");
  fs::create_symlink("/etc/passwd", root_ / "absolute-outside");
  fs::create_symlink("..", root_ / "parent");
  fs::create_symlink("nowhere", root_ / "dangling");
  fs::create_symlink("loop", root_ / "loop");
  fs::create_symlink("/proc/self/fd/0", root_ / "magic");
  const std::vector<ListingEntry> entries = read(root_);
  ASSERT_THAT(names(entries),
              ElementsAre("sub/", "to-directory/", "file", "to-and-fro", "to-file", "to-link"));
  EXPECT_EQ(entries[4].size, 4U);
}

TEST_F(ReadListing, LeavesOutWhatIsNeitherFileNorDirectory) {
  ASSERT_EQ(::mkfifo((root_ / "fifo").c_str(), 0600), 0);
  ASSERT_EQ(::mknod((root_ / "socket").c_str(), S_IFSOCK | 0600, 0), 0);
  fs::create_symlink("fifo", root_ / "to-fifo");
  EXPECT_THAT(read(root_), testing::IsEmpty());
}

TEST_F(ReadListing, LeavesTheDescriptorAsItWas) {
  write(root_ / "file", "");
  const UniqueFd fd(::open(root_.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  EXPECT_EQ(read_listing(fd.get()).size(), 1U);
  EXPECT_EQ(::lseek(fd.get(), 0, SEEK_CUR), 0);
  EXPECT_EQ(read_listing(fd.get()).size(), 1U);
  EXPECT_EQ(read(root_, O_PATH).size(), 1U);
}

TEST_F(ReadListing, LeavesNoDescriptorOpen) {
  write(root_ / "file", "");
  fs::create_symlink("file", root_ / "link");
  const UniqueFd fd(::open(root_.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  const UniqueFd before(::dup(fd.get()));
  const int next = before.get() + 1;
  read_listing(fd.get());
  EXPECT_EQ(::fcntl(next, F_GETFD), -1);
}

TEST_F(ReadListing, IsEmptyWhereThereIsNothingToRead) {
  EXPECT_TRUE(read(root_).empty());
  EXPECT_TRUE(read_listing(-1).empty());
  write(root_ / "file", "");
  const UniqueFd file(::open((root_ / "file").c_str(), O_RDONLY | O_CLOEXEC));
  EXPECT_TRUE(read_listing(file.get()).empty());
}

TEST_F(ReadListing, StopsAtTheLimit) {
  for (std::size_t i = 0; i < kMaxListingEntries + 5; ++i) {
    const UniqueFd fd(::open((root_ / std::to_string(i)).c_str(), O_CREAT | O_WRONLY | O_CLOEXEC, 0600));
    ASSERT_TRUE(fd);
  }
  const std::vector<ListingEntry> entries = read(root_);
  EXPECT_EQ(entries.size(), kMaxListingEntries);
  EXPECT_THAT(listing_html("/", entries), HasSubstr("Only 10000 entries are shown."));
}

TEST(ListingHtml, EncodesLinksAndEscapesNames) {
  struct Case {
    ListingEntry entry;
    const char* href;
    const char* text;
  };
  const Case cases[] = {
      {{.name = "plain.txt"}, "./plain.txt", "plain.txt"},
      {{.name = "sub", .directory = true}, "./sub/", "sub"},
      {{.name = "a b"}, "./a%20b", "a b"},
      {{.name = "javascript:x"}, "./javascript:x", "javascript:x"},
      {{.name = "50%?#"}, "./50%25%3F%23", "50%?#"},
      {{.name = "<\"&'>"}, "./%3C%22&amp;&#39;%3E", "&lt;&quot;&amp;&#39;&gt;"},
      {{.name = "\xC3\xA9"}, "./%C3%A9", "\xC3\xA9"},
      {{.name = "\xFF\n"}, "./%FF%0A", "\xEF\xBF\xBD\xEF\xBF\xBD"},
  };
  for (const Case& c : cases) {
    const std::string anchor = "<a href=\"" + std::string(c.href) + "\"><bdi>" + c.text + "</bdi>" +
                               (c.entry.directory ? "/" : "") + "</a>";
    EXPECT_THAT(listing_html("/", {c.entry}), HasSubstr(anchor));
  }
}

TEST(ListingHtml, ShowsSizesForPeople) {
  const std::pair<std::uint64_t, const char*> cases[] = {
      {0, ">0 B<"},
      {1023, ">1023 B<"},
      {1024, ">1.0 KiB<"},
      {1536, ">1.5 KiB<"},
      {1024 * 1024 - 1, ">1.0 MiB<"},
      {1024 * 1024, ">1.0 MiB<"},
      {5'368'709'120, ">5.0 GiB<"},
      {18446744073709551615U, ">16.0 EiB<"},
  };
  for (const auto& [size, text] : cases) {
    EXPECT_THAT(listing_html("/", {{.name = "f", .size = size}}), HasSubstr(text)) << size;
  }
  EXPECT_THAT(listing_html("/", {{.name = "d", .directory = true}}), HasSubstr(">-<"));
}

TEST(ListingHtml, FitsAPhoneAndNamesItsPath) {
  const std::string page = listing_html("/a<b>/", {{.name = "f", .modified = 784111777}});
  EXPECT_THAT(page, HasSubstr("<meta charset=\"utf-8\">"));
  EXPECT_THAT(page, HasSubstr("width=device-width"));
  EXPECT_THAT(page, HasSubstr("prefers-color-scheme:dark"));
  EXPECT_THAT(page, HasSubstr("<title>Index of /a&lt;b&gt;/</title>"));
  EXPECT_THAT(page, HasSubstr("<span>1994-11-06</span> <span>08:49</span>"));
  EXPECT_THAT(page, HasSubstr("<a href=\"../\">"));
  EXPECT_THAT(page, Not(HasSubstr("is empty")));
}

TEST(ListingHtml, TheRootHasNoParent) {
  const std::string page = listing_html("/", {});
  EXPECT_THAT(page, Not(HasSubstr("../")));
  EXPECT_THAT(page, HasSubstr("This directory is empty."));
}

TEST(ListingJson, KeepsItsShape) {
  EXPECT_EQ(listing_json("/a/", {{.name = "sub", .directory = true, .modified = 0},
                                 {.name = "f", .size = 18446744073709551615U, .modified = 784111777}}),
            "{\"path\":\"/a/\",\"entries\":["
            "{\"name\":\"sub\",\"type\":\"directory\",\"modified\":\"1970-01-01T00:00:00Z\"},"
            "{\"name\":\"f\",\"type\":\"file\",\"size\":18446744073709551615,"
            "\"modified\":\"1994-11-06T08:49:37Z\"}]}\n");
  EXPECT_EQ(listing_json("/", {}), "{\"path\":\"/\",\"entries\":[]}\n");
}

TEST(ListingJson, EscapesAndReplaces) {
  const auto page = nlohmann::json::parse(listing_json("/\xFF/", {{.name = "\"\\\n\xC3\xA9\xFE"}}));
  EXPECT_EQ(page.at("path"), "/\xEF\xBF\xBD/");
  EXPECT_EQ(page.at("entries").at(0).at("name"), "\"\\\n\xC3\xA9\xEF\xBF\xBD");
}

}  // namespace
}  // namespace baton::serve
