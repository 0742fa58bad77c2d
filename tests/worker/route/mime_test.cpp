#include "worker/route/mime.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdlib>
#include <string>
#include <string_view>
#include <utility>

#include "common/base/unique_fd.h"

namespace baton::serve {
namespace {

class TemporaryFile {
 public:
  explicit TemporaryFile(std::string_view content) : name_("/tmp/baton-mime-XXXXXX") {
    const UniqueFd fd(::mkstemp(name_.data()));
    if (::write(fd.get(), content.data(), content.size()) != static_cast<ssize_t>(content.size()))
      std::abort();
  }
  TemporaryFile(const TemporaryFile&) = delete;
  TemporaryFile& operator=(const TemporaryFile&) = delete;
  ~TemporaryFile() { ::unlink(name_.c_str()); }

  [[nodiscard]] const std::string& name() const { return name_; }

 private:
  std::string name_;
};

TEST(MimeTypes, HasAListOfItsOwn) {
  const MimeTypes types("/nonexistent/mime.types");
  const std::pair<const char*, const char*> cases[] = {
      {"index.html", "text/html; charset=utf-8"},
      {"INDEX.HTML", "text/html; charset=utf-8"},
      {"style.css", "text/css; charset=utf-8"},
      {"app.js", "text/javascript; charset=utf-8"},
      {"app.mjs", "text/javascript; charset=utf-8"},
      {"data.json", "application/json; charset=utf-8"},
      {"app.webmanifest", "application/manifest+json; charset=utf-8"},
      {"feed.xml", "application/xml; charset=utf-8"},
      {"logo.svg", "image/svg+xml; charset=utf-8"},
      {"logo.png", "image/png"},
      {"code.wasm", "application/wasm"},
      {"font.woff2", "font/woff2"},
      {"archive.tar.gz", "application/gzip"},
      {"app.min.js", "text/javascript; charset=utf-8"},
      {"/a.css/b.png", "image/png"},
      {"/a.css/b", "application/octet-stream"},
      {"a.unheard-of", "application/octet-stream"},
      {"README", "application/octet-stream"},
      {"html", "application/octet-stream"},
      {".html", "application/octet-stream"},
      {"dot.", "application/octet-stream"},
      {".", "application/octet-stream"},
      {"", "application/octet-stream"},
      {"/", "application/octet-stream"},
      {"a.html ", "application/octet-stream"},
  };
  for (const auto& [name, type] : cases) EXPECT_EQ(types.type_of(name), type) << name;
}

TEST(MimeTypes, TheFileComesFirst) {
  const TemporaryFile file(
      "# a comment: text/plain png\n"
      "\n"
      "application/javascript\tjs\n"
      "Text/X-Thing   thing  THANG # html\n"
      "image/x-none\n"
      "not-a-type gif\n"
      "bad\r/type woff\n"
      "text/plain;charset=x woff2\n"
      "application/first twice\n"
      "application/second twice\r\n"
      "application/last-line last");
  const MimeTypes types(file.name());
  EXPECT_EQ(types.type_of("a.js"), "application/javascript; charset=utf-8");
  EXPECT_EQ(types.type_of("a.thing"), "text/x-thing; charset=utf-8");
  EXPECT_EQ(types.type_of("a.Thang"), "text/x-thing; charset=utf-8");
  EXPECT_EQ(types.type_of("a.twice"), "application/second");
  EXPECT_EQ(types.type_of("a.last"), "application/last-line");
  // What the file lacks, or has only in a comment or a line that is not a type's.
  EXPECT_EQ(types.type_of("a.html"), "text/html; charset=utf-8");
  EXPECT_EQ(types.type_of("a.png"), "image/png");
  EXPECT_EQ(types.type_of("a.gif"), "image/gif");
  EXPECT_EQ(types.type_of("a.woff"), "font/woff");
  EXPECT_EQ(types.type_of("a.woff2"), "font/woff2");
}

TEST(MimeTypes, ADirectoryIsNotAFile) {
  EXPECT_EQ(MimeTypes("/tmp").type_of("a.png"), "image/png");
}

}  // namespace
}  // namespace baton::serve
