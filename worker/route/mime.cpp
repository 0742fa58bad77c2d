#include "worker/route/mime.h"

#include <algorithm>
#include <array>
#include <fstream>
#include <sstream>
#include <utility>

#include "common/http/chars.h"

namespace baton::serve {

namespace {

constexpr std::string_view kUnknownType = "application/octet-stream";

struct BuiltIn {
  std::string_view type;
  std::string_view extensions;
};

constexpr auto kBuiltIn = std::to_array<BuiltIn>({
    {"text/html", "html htm"},
    {"text/css", "css"},
    {"text/javascript", "js mjs"},
    {"text/plain", "txt log text conf"},
    {"text/markdown", "md markdown"},
    {"text/csv", "csv"},
    {"text/vtt", "vtt"},
    {"text/calendar", "ics"},
    {"application/json", "json map"},
    {"application/manifest+json", "webmanifest"},
    {"application/ld+json", "jsonld"},
    {"application/xml", "xml xsl"},
    {"application/xhtml+xml", "xhtml"},
    {"application/rss+xml", "rss"},
    {"application/atom+xml", "atom"},
    {"application/yaml", "yaml yml"},
    {"application/toml", "toml"},
    {"application/wasm", "wasm"},
    {"application/pdf", "pdf"},
    {"application/epub+zip", "epub"},
    {"application/zip", "zip"},
    {"application/gzip", "gz tgz"},
    {"application/zstd", "zst"},
    {"application/x-bzip2", "bz2"},
    {"application/x-xz", "xz"},
    {"application/x-7z-compressed", "7z"},
    {"application/x-tar", "tar"},
    {"image/svg+xml", "svg"},
    {"image/png", "png"},
    {"image/jpeg", "jpg jpeg"},
    {"image/gif", "gif"},
    {"image/webp", "webp"},
    {"image/avif", "avif"},
    {"image/apng", "apng"},
    {"image/bmp", "bmp"},
    {"image/tiff", "tif tiff"},
    {"image/x-icon", "ico"},
    {"font/woff", "woff"},
    {"font/woff2", "woff2"},
    {"font/ttf", "ttf"},
    {"font/otf", "otf"},
    {"audio/mpeg", "mp3"},
    {"audio/mp4", "m4a"},
    {"audio/aac", "aac"},
    {"audio/ogg", "ogg oga opus"},
    {"audio/flac", "flac"},
    {"audio/x-wav", "wav"},
    {"video/mp4", "mp4 m4v"},
    {"video/webm", "webm"},
    {"video/ogg", "ogv"},
    {"video/quicktime", "mov"},
    {"video/x-matroska", "mkv"},
    {"application/vnd.apple.mpegurl", "m3u8"},
    {"application/dash+xml", "mpd"},
});

// Whether the word is "type/subtype" of token bytes. It goes into a response field as it is, so nothing else
// may pass.
bool is_media_type(std::string_view word) {
  const std::size_t slash = word.find('/');
  return slash != std::string_view::npos && http::is_token(word.substr(0, slash)) &&
         http::is_token(word.substr(slash + 1));
}

bool is_text(std::string_view type) {
  constexpr auto kTextTypes =
      std::to_array<std::string_view>({"application/javascript", "application/x-javascript",
                                       "application/ecmascript", "application/json", "application/xml"});
  return type.starts_with("text/") || type.ends_with("+json") || type.ends_with("+xml") ||
         std::ranges::find(kTextTypes, type) != kTextTypes.end();
}

// Returns the part of the last path segment behind its last dot. Empty if the segment has no dot, or only one
// at its beginning.
std::string_view extension_of(std::string_view file_name) {
  const std::string_view name = file_name.substr(file_name.rfind('/') + 1);
  const std::size_t dot = name.rfind('.');
  return dot == std::string_view::npos || dot == 0 ? std::string_view() : name.substr(dot + 1);
}

}  // namespace

MimeTypes::MimeTypes(const std::string& file) {
  for (const BuiltIn& entry : kBuiltIn) {
    std::istringstream extensions{std::string(entry.extensions)};
    for (std::string extension; extensions >> extension;) add(entry.type, extension);
  }
  std::ifstream input(file);
  read(input);
}

void MimeTypes::read(std::istream& input) {
  for (std::string line; std::getline(input, line);) {
    std::istringstream words(line.substr(0, line.find('#')));
    std::string type;
    if (!(words >> type) || !is_media_type(type)) continue;
    for (std::string extension; words >> extension;) add(type, extension);
  }
}

void MimeTypes::add(std::string_view type, std::string_view extension) {
  std::string content_type = http::lower_case(type);
  if (is_text(content_type)) content_type += "; charset=utf-8";
  by_extension_.insert_or_assign(http::lower_case(extension), std::move(content_type));
}

std::string_view MimeTypes::type_of(std::string_view file_name) const {
  const auto entry = by_extension_.find(http::lower_case(extension_of(file_name)));
  return entry == by_extension_.end() ? kUnknownType : std::string_view(entry->second);
}

}  // namespace baton::serve
