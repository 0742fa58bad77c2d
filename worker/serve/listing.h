// Reads directories, and makes the pages that list them.
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
  std::time_t modified = 0;  // of a symbolic link: of its target
};

// Reads the directory that is open as `directory_fd`. The descriptor stays open, its file offset stays as it
// is, and O_PATH is enough.
//
// - Lists regular files and directories, but no dot files. A symbolic link is listed only if it leads to one
//   of these inside the directory tree (RESOLVE_BENEATH).
// - Sorted: directories first, then by name, without regard to ASCII case.
// - At most kMaxListingEntries. Of a larger directory, the first that the file system gives.
// - Leaves out an entry that vanishes meanwhile. A directory that cannot be read counts as empty.
constexpr std::size_t kMaxListingEntries = 10'000;
std::vector<ListingEntry> read_listing(int directory_fd);

// Both make a page. `path` is the decoded request path, ending in '/'. The page is valid UTF-8, whatever
// bytes the names hold: bytes that are not UTF-8 are shown as U+FFFD, but the links of the HTML page carry
// the bytes themselves. Times are UTC.
std::string listing_html(std::string_view path, const std::vector<ListingEntry>& entries);
// {"path":"/a/","entries":[{"name":"b.txt","type":"file","size":12,"modified":"2026-01-31T08:49:37Z"}, ...]}
// "type" is "file" or "directory"; directories have no "size".
std::string listing_json(std::string_view path, const std::vector<ListingEntry>& entries);

}  // namespace baton::serve
