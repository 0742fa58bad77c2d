// Path normalisation: what it gives never climbs, is in normal form, and survives encoding and a second
// reading.
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>
#include <vector>

#include "common/http/target.h"

namespace {

void require(bool holds, const char* what) {
  if (holds) return;
  std::fprintf(stderr, "violated: %s\n", what);
  std::abort();
}

bool has_segment(std::string_view path, const std::string& segment) {
  return path.ends_with("/" + segment) || path.find("/" + segment + "/") != std::string_view::npos;
}

void check_normal_form(std::string_view path) {
  require(!path.empty() && path.front() == '/', "begins with a slash");
  require(path.find("//") == std::string_view::npos, "slashes are merged");
  require(!has_segment(path, ".") && !has_segment(path, ".."), "no dot segments");
  require(path.find('\0') == std::string_view::npos, "no NUL");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::vector<char> input(data, data + size);
  const std::string_view path(input.data(), input.size());
  const std::string encoded_input = baton::http::encode_path(path);
  for (const char c : encoded_input) require(c > 0x20 && c < 0x7f, "encoded paths are visible ASCII");

  std::vector<char> out(path.size() + 1);
  const auto normal = baton::http::normalize_path(path, out);
  if (!normal) return 0;
  require(normal->size() <= path.size(), "paths never grow");
  check_normal_form(*normal);

  const std::string encoded = baton::http::encode_path(*normal);
  std::vector<char> again(encoded.size() + 1);
  const auto second = baton::http::normalize_path(encoded, again);
  require(second && *second == *normal, "a normal path is left as it is");
  return 0;
}
