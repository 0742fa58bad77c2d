// Static routes: files, index files, listings, ranges, precompressed siblings and the fallback.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "common/config/config.h"
#include "worker/route/mime.h"
#include "worker/serve/exchange.h"
#include "worker/serve/file_cache.h"

namespace baton::serve {

// One per worker. A route's prefix is taken off before the root is searched: with path "/files/" and root
// "data", the request /files/a.txt is answered from data/a.txt.
class StaticFiles {
 public:
  // `mime` may be null where no route is static.
  StaticFiles(FileCache& cache, const MimeTypes* mime);

  void serve(Exchange& exchange);

  // Replies with the file that a handler has chosen. What the handler has said of it stays; where its status
  // is 200, ranges and preconditions of the request are seen to.
  void send_chosen(Exchange& exchange, std::string_view path, const OpenFile& file);

 private:
  // As much of the file as the request wants, if it wants it at all.
  void send_as_asked(Exchange& exchange, const OpenFile& file);

  void serve_directory(Exchange& exchange, const StaticConfig& config, std::string_view name);
  void serve_listing(Exchange& exchange, std::string_view name);
  // As the reply's text, and for others (name_). False: there is no such folder any more.
  bool make_listing(Exchange& exchange, std::string_view name, bool json);
  // `name` is the path below the root of the file that `file` shows.
  void serve_file(Exchange& exchange, const StaticConfig& config, std::string_view name,
                  const OpenFile& file);
  bool serve_fallback(Exchange& exchange, const StaticConfig& config);
  void send_range(Exchange& exchange, const OpenFile& file);

  FileCache& cache_;
  const MimeTypes* mime_;
  std::string name_;            // of the index file, sibling or listing being looked for
  std::uint64_t boundary_ = 0;  // of multipart answers; random, changed for each
};

}  // namespace baton::serve
