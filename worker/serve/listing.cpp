#include "worker/serve/listing.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <memory>
#include <optional>

#include "common/base/open_beneath.h"
#include "common/base/unique_fd.h"
#include "common/http/chars.h"

namespace baton::serve {

namespace {

struct DirectoryCloser {
  void operator()(DIR* directory) const { ::closedir(directory); }
};
using Directory = std::unique_ptr<DIR, DirectoryCloser>;

// Opens the directory anew, for a file offset of its own: with one descriptor between them, two workers may
// list the directory at once.
Directory open_directory(int directory_fd) {
  UniqueFd own(::openat(directory_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!own) return nullptr;
  Directory directory(::fdopendir(own.get()));
  if (directory) static_cast<void>(own.release());
  return directory;
}

// The status of the link's target. Nothing if the target lies outside the directory, or does not exist. To
// read the link and check its text would race with a change of the link.
std::optional<struct stat> stat_beneath(int directory_fd, const char* name) {
  const UniqueFd target(open_beneath(directory_fd, name, O_PATH));
  struct stat status = {};
  if (!target || ::fstat(target.get(), &status) != 0) return std::nullopt;
  return status;
}

std::optional<ListingEntry> read_entry(int directory_fd, const char* name) {
  struct stat status = {};
  if (::fstatat(directory_fd, name, &status, AT_SYMLINK_NOFOLLOW) != 0) return std::nullopt;
  if (S_ISLNK(status.st_mode)) {
    const std::optional<struct stat> target = stat_beneath(directory_fd, name);
    if (!target) return std::nullopt;
    status = *target;
  }
  if (!S_ISREG(status.st_mode) && !S_ISDIR(status.st_mode)) return std::nullopt;
  ListingEntry entry{.name = name, .directory = S_ISDIR(status.st_mode), .modified = status.st_mtime};
  if (!entry.directory) entry.size = static_cast<std::uint64_t>(status.st_size);
  return entry;
}

bool listed_before(const ListingEntry& a, const ListingEntry& b) {
  if (a.directory != b.directory) return a.directory;
  const auto less = [](char left, char right) {
    return static_cast<unsigned char>(http::to_lower(left)) <
           static_cast<unsigned char>(http::to_lower(right));
  };
  if (std::ranges::lexicographical_compare(a.name, b.name, less)) return true;
  if (std::ranges::lexicographical_compare(b.name, a.name, less)) return false;
  return a.name < b.name;  // names such as "A" and "a" keep one order
}

}  // namespace

std::vector<ListingEntry> read_listing(int directory_fd) {
  std::vector<ListingEntry> entries;
  const Directory directory = open_directory(directory_fd);
  if (!directory) return entries;
  while (entries.size() < kMaxListingEntries) {
    const dirent* const item = ::readdir(directory.get());
    if (item == nullptr) break;
    if (item->d_name[0] == '.') continue;
    std::optional<ListingEntry> entry = read_entry(directory_fd, item->d_name);
    if (entry) entries.push_back(std::move(*entry));
  }
  std::ranges::sort(entries, listed_before);
  return entries;
}

}  // namespace baton::serve
