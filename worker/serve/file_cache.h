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

// A file found below a root. Valid until the same FileCache opens, finds or releases another.
struct OpenFile {
  int status = 404;  // 200, or the error to answer with: 403, 404, 500, 503
  FileKind kind = FileKind::kMissing;
  int fd = -1;  // kRegular: borrowed, the caller does not close it
  std::uint64_t size = 0;
  std::int64_t modified = 0;
  std::string_view etag;
  std::string_view last_modified;
  std::string_view bytes;  // the whole file, when it is small enough to be kept in memory
  [[nodiscard]] bool regular() const { return status == 200 && kind == FileKind::kRegular; }
  [[nodiscard]] bool directory() const { return status == 200 && kind == FileKind::kDirectory; }
};

// A folder, opened to be read, by a descriptor of its own: all workers would share the offset of a shared
// one.
struct OpenFolder {
  UniqueFd fd;  // none: the folder cannot be opened
  std::uint64_t root_key = 0;
  struct stat status {};  // from before the folder is read
};

// One per worker, for its event thread.
class FileCache {
 public:
  FileCache(FileTable table, FlightRecord& flight, Counters& counters, Holder holder)
      : table_(table), flight_(&flight), counters_(&counters), holder_(holder) {}

  // Looks `path` up below the route's root. The kernel itself refuses to leave the root (openat2,
  // RESOLVE_BENEATH). A cached answer is at most a second old, and so is the root. With `remember_missing`,
  // the table also remembers that there is no such file.
  OpenFile open(const Route& route, std::string_view path, Tick now, bool remember_missing = false);

  // Opens the file for this worker alone, as it is now. It need not be below a root. Nothing, with errno, if
  // the file cannot be opened or is not a regular file.
  std::optional<OpenFile> open_own(const std::string& path);

  // Opens a folder below the route's root. The caller holds a DescriptorMotion of kFile.
  OpenFolder open_folder(const Route& route, std::string_view path);

  // Finds the page of a folder's listing that a worker has kept for all. `key` is the folder's path below
  // the root, "//", and then what tells the page from others of that folder. If the result is not regular(),
  // there is no page, or this worker has to make it anew while others go on with the old one. Then the
  // caller calls keep_listing() or forget_listing().
  OpenFile find_listing(const Route& route, std::string_view key, Tick now);
  // Keeps `page` in the place of an older one, for `lasts` at most, and until the folder is seen to have
  // changed. A worker looks for that once a second. The caller holds a DescriptorMotion of kFile.
  void keep_listing(const Route& route, const OpenFolder& folder, std::string_view key, std::string_view page,
                    Tick now, Tick lasts);
  void forget_listing(std::uint64_t root_key, std::string_view key);

  // Releases what was opened: unpins the table's entry, and closes a file that did not fit the table.
  void release();

  // Whether, since release(), a file could not be opened because this worker must not change the descriptor
  // table now (common/shared/descriptor_motion.h). Then the results of the lookups must not be sent.
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
  FileEntry private_{};  // a file that the table has no room for; its descriptor is in the flight record
  bool table_lost_ = false;
};

}  // namespace baton::serve
