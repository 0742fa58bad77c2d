// Opens files below a route's root, through the open-file table that all workers share.
#pragma once

#include <sys/stat.h>

#include <optional>
#include <string>
#include <string_view>

#include "common/base/clock.h"
#include "common/base/unique_fd.h"
#include "common/shared/file_table.h"
#include "worker/route/router.h"

namespace baton::serve {

// A file found below a root. Valid until the next open() or release() of the same FileCache.
struct OpenFile {
  int status = 404;  // 200; else what to answer: 403, 404, 500, 503
  FileKind kind = FileKind::kMissing;
  int fd = -1;  // kRegular: borrowed
  std::uint64_t size = 0;
  std::int64_t modified = 0;
  std::string_view etag;
  std::string_view last_modified;
  std::string_view bytes;  // the whole file, when it is small enough to be kept in memory
  [[nodiscard]] bool regular() const { return status == 200 && kind == FileKind::kRegular; }
  [[nodiscard]] bool directory() const { return status == 200 && kind == FileKind::kDirectory; }
};

// A folder, opened to read what is in it, by a descriptor of its own: the offset of a shared one would be
// everybody's.
struct OpenFolder {
  UniqueFd fd;  // none: it cannot be opened
  std::uint64_t root_key = 0;
  struct stat status {};  // from before it is read
};

// One per worker.
class FileCache {
 public:
  FileCache(FileTable table, FlightRecord& flight, Counters& counters, Holder holder)
      : table_(table), flight_(&flight), counters_(&counters), holder_(holder) {}

  // Looks `path` up below the route's root; the kernel itself refuses to leave it (openat2, RESOLVE_BENEATH).
  // A cached answer is at most a second old, and so is the root. `remember_missing` also remembers that there
  // is no such file.
  OpenFile open(const Route& route, std::string_view path, Tick now, bool remember_missing = false);

  // Opens the file for this worker alone, as it is now, wherever it is. Nothing, with errno, when it cannot
  // be opened or is not a regular file.
  std::optional<OpenFile> open_own(const std::string& path);

  // The caller has its descriptor in motion.
  OpenFolder open_folder(const Route& route, std::string_view path);

  // What was made of a folder and kept, for all workers. `key` is the folder's path below the root, "//", and
  // what else tells the page from others. Not regular(): there is none, or it is this worker's to make it
  // anew, while others go on with the old one; then one of the following two is to be called.
  OpenFile find_listing(const Route& route, std::string_view key, Tick now);
  // Keeps `page` in the place of an older one: until the folder is seen to have changed, which is looked for
  // once a second, and for `lasts` at most. The caller has files in motion.
  void keep_listing(const Route& route, const OpenFolder& folder, std::string_view key, std::string_view page,
                    Tick now, Tick lasts);
  void forget_listing(std::uint64_t root_key, std::string_view key);

  // Drops the pin, and the descriptor of a file that did not fit the table.
  void release();

  // Whether something could not be opened since release() because the descriptor table is not to be changed
  // now (common/shared/descriptor_motion.h): what the lookups said is not to be sent then.
  [[nodiscard]] bool table_lost() const { return table_lost_; }

 private:
  void drop();
  bool still_current(const Route& route, FileEntry& entry, Tick now);
  void publish(FileEntry& entry, const StaticRoot& root);
  OpenFile load(const Route& route, std::string_view path, Tick now, bool remember_missing);
  OpenFile view(const FileEntry& entry) const;
  OpenFile use(FileEntry& entry, Tick now) const;
  OpenFile keep_private(UniqueFd fd);

  FileTable table_;
  FlightRecord* flight_;
  Counters* counters_;
  Holder holder_;
  FileEntry private_{};  // for a file that the table has no room for; its descriptor is in the flight record
  bool table_lost_ = false;
};

}  // namespace baton::serve
