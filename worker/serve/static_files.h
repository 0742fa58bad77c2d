// Replies for static routes: files, index files, listings, ranges, precompressed siblings and the fallback.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "common/config/config.h"
#include "worker/route/mime.h"
#include "worker/serve/exchange.h"
#include "worker/serve/file_cache.h"

namespace baton::serve {

// One per worker, for its event thread. A route's prefix is taken off before the root is searched: with path
// "/files/" and root "data", the request /files/a.txt is answered from data/a.txt.
class StaticFiles {
 public:
  // `mime` may be null if no route sends files.
  StaticFiles(FileCache& cache, const MimeTypes* mime);

  void serve(Exchange& exchange);

  // Replies with the file that a handler has chosen. Keeps the status, content type and fields that the
  // handler has set. But if the status is 200, the validators are the file's own, and ranges and
  // preconditions of the request are obeyed.
  void send_chosen(Exchange& exchange, std::string_view path, const OpenFile& file);

 private:
  // Obeys preconditions and ranges: replies with the file, a part of it, 304, 412 or 416.
  void send_as_asked(Exchange& exchange, const OpenFile& file);

  void serve_directory(Exchange& exchange, const StaticConfig& config, std::string_view name);
  void serve_listing(Exchange& exchange, std::string_view name);
  // Makes the page, as the reply's text, and keeps it for all workers under the key name_. False: there is no
  // such folder any more.
  bool make_listing(Exchange& exchange, std::string_view name, bool json);
  // `name` is the path of `file` below the root.
  void serve_file(Exchange& exchange, const StaticConfig& config, std::string_view name,
                  const OpenFile& file);
  bool serve_fallback(Exchange& exchange, const StaticConfig& config);
  void send_range(Exchange& exchange, const OpenFile& file);

  FileCache& cache_;
  const MimeTypes* mime_;
  std::string name_;            // path of the index file, or key of the listing, that is looked for
  std::uint64_t boundary_ = 0;  // of multipart replies; random, another one for each
};

}  // namespace baton::serve
