// Directory listings.
#pragma once

#include <cstddef>
#include <cstdint>
#include <ctime>
#include <string>
#include <string_view>
#include <vector>

namespace baton::serve {

struct ListingEntry {
  std::string name;  // as the file system has it, any bytes but '/' and NUL
  bool directory = false;
  std::uint64_t size = 0;    // bytes; files only
  std::time_t modified = 0;  // of what a symbolic link leads to, not of the link
};

// Reads the directory open at `directory_fd` (kept open, its file offset left alone; O_PATH will do): regular
// files and directories, no dot files, symbolic links only where they lead to something inside the directory
// tree (RESOLVE_BENEATH). Sorted: directories first, then by name without regard to ASCII case. At most
// `kMaxListingEntries`: of a larger directory, the first that the file system gives. What vanishes meanwhile
// is left out; a directory that cannot be read is empty.
constexpr std::size_t kMaxListingEntries = 10'000;
std::vector<ListingEntry> read_listing(int directory_fd);

// `path` is the decoded request path, ending in '/'. Both pages are valid UTF-8 whatever bytes the names
// hold: what is not UTF-8 is shown as U+FFFD, while the page's links carry the bytes themselves. Times are
// UTC.
std::string listing_html(std::string_view path, const std::vector<ListingEntry>& entries);
// {"path":"/a/","entries":[{"name":"b.txt","type":"file","size":12,"modified":"2026-01-31T08:49:37Z"}, ...]}
// "type" is "file" or "directory"; directories have no "size".
std::string listing_json(std::string_view path, const std::vector<ListingEntry>& entries);

}  // namespace baton::serve
