#include "common/http/target.h"

#include <cstdlib>

namespace baton::http {
namespace {

// Builds a normalised path segment by segment. out_[0, segment_) always ends with '/'.
class PathWriter {
 public:
  explicit PathWriter(std::span<char> out) : out_(out) { out_[0] = '/'; }

  void append(char c) { out_[size_++] = c; }

  // Ends the segment at a '/'. False if the segment is a ".." that would leave the root.
  bool end_segment() {
    const auto segment = current();
    if (segment.empty() || segment == "." || segment == "..") return drop_segment();
    out_[size_++] = '/';
    segment_ = size_;
    return true;
  }

  // Ends the path: its last segment needs no '/'.
  bool end_path() {
    const auto segment = current();
    return segment == "." || segment == ".." ? drop_segment() : true;
  }

  [[nodiscard]] std::string_view path() const { return {out_.data(), size_}; }

 private:
  [[nodiscard]] std::string_view current() const { return path().substr(segment_); }

  bool drop_segment() {
    const bool up = current() == "..";
    size_ = segment_;
    if (!up) return true;
    if (segment_ == 1) return false;
    do --size_;
    while (out_[size_ - 1] != '/');
    segment_ = size_;
    return true;
  }

  std::span<char> out_;
  std::size_t size_ = 1;
  std::size_t segment_ = 1;  // where the current segment begins
};

// Takes one decoded byte off `text`: 1 to 255. Returns 0 for a malformed escape and for a NUL.
char take_decoded(std::string_view& text) {
  const char c = text.front();
  if (c != '%') {
    text.remove_prefix(1);
    return c;
  }
  if (text.size() < 3) return 0;
  const int high = hex_value(text[1]);
  const int low = hex_value(text[2]);
  if (high < 0 || low < 0) return 0;
  text.remove_prefix(3);
  return static_cast<char>(high * 16 + low);
}

}  // namespace

std::optional<std::string_view> normalize_path(std::string_view path, std::span<char> out) {
  if (out.size() <= path.size()) std::abort();
  if (path.empty() || path.front() != '/') return std::nullopt;
  path.remove_prefix(1);
  PathWriter writer(out);
  while (!path.empty()) {
    const char c = take_decoded(path);
    if (c == 0) return std::nullopt;
    if (c != '/') {
      writer.append(c);
    } else if (!writer.end_segment()) {
      return std::nullopt;
    }
  }
  if (!writer.end_path()) return std::nullopt;
  return writer.path();
}

std::string encode_path(std::string_view path) {
  std::string encoded;
  encoded.reserve(path.size());
  append_encoded(encoded, path, kPathChar);
  return encoded;
}

void append_encoded(std::string& out, std::string_view text, CharClass kept) {
  constexpr std::string_view kHex = "0123456789ABCDEF";
  for (const char c : text) {
    if (is_char(c, kept)) {
      out += c;
      continue;
    }
    const auto byte = static_cast<unsigned char>(c);
    out += {'%', kHex[byte >> 4], kHex[byte & 15]};
  }
}

}  // namespace baton::http
