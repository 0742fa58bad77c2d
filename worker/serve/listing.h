// Directory listings.
#pragma once

#include <cstdint>
#include <ctime>
#include <string>
#include <string_view>
#include <vector>

namespace baton::serve {

struct ListingEntry {
  std::string name;  // as the file system has it, any bytes but '/' and NUL
  bool directory = false;
  std::uint64_t size = 0;  // files only
  std::time_t modified = 0;
};

// Reads the directory open at `directory_fd` (kept open): regular files and directories, no dot files,
// symbolic links only where they lead to something inside the directory tree (RESOLVE_BENEATH). Sorted:
// directories first, then by name without regard to case. At most `kMaxListingEntries`.
constexpr std::size_t kMaxListingEntries = 10'000;
std::vector<ListingEntry> read_listing(int directory_fd);

// `path` is the decoded request path, ending in '/'.
std::string listing_html(std::string_view path, const std::vector<ListingEntry>& entries);
std::string listing_json(std::string_view path, const std::vector<ListingEntry>& entries);

// Helpers shared with the other pages.
std::string escape_html(std::string_view text);  // & < > " '

}  // namespace baton::serve
