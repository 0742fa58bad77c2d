#include "tests/support/multipart.h"

#include "tests/support/bulk.h"

namespace baton::test {

namespace {

// Takes `expected` off the front of `text`.
bool take(std::string_view& text, std::string_view expected) {
  if (!text.starts_with(expected)) return false;
  text.remove_prefix(expected.size());
  return true;
}

}  // namespace

std::string range_field(const ByteRanges& ranges) {
  std::string field = "bytes=";
  for (const auto& [first, last] : ranges) {
    if (field.back() != '=') field += ',';
    field += std::to_string(first) + "-" + std::to_string(last);
  }
  return field;
}

bool is_multipart_of(std::string_view body, const std::string& content_type, const ByteRanges& ranges,
                     std::uint64_t size) {
  const std::string kType = "multipart/byteranges; boundary=";
  if (!content_type.starts_with(kType)) return false;
  const std::string delimiter = "--" + content_type.substr(kType.size());
  bool first_part = true;
  for (const auto& [first, last] : ranges) {
    if (!first_part && !take(body, "\r\n")) return false;
    first_part = false;
    if (!take(body, delimiter + "\r\n")) return false;
    const std::size_t end = body.find("\r\n\r\n");
    if (end == std::string_view::npos) return false;
    const std::string_view fields = body.substr(0, end);
    const std::string range =
        "bytes " + std::to_string(first) + "-" + std::to_string(last) + "/" + std::to_string(size);
    if (fields.find(range) == std::string_view::npos) return false;
    body.remove_prefix(end + 4);
    const auto length = static_cast<std::size_t>(last - first + 1);
    if (body.size() < length || !matches_pattern(body.substr(0, length), first)) return false;
    body.remove_prefix(length);
  }
  return body == "\r\n" + delimiter + "--\r\n";
}

}  // namespace baton::test
