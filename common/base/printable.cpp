#include "common/base/printable.h"

#include <fmt/format.h>

#include <cstring>

namespace baton {

std::string printable(std::string_view text) {
  std::string safe;
  safe.reserve(text.size());
  for (const char c : text) {
    if (c >= 0x20 && c < 0x7f) {
      safe += c;
    } else {
      safe += fmt::format("\\x{:02x}", static_cast<unsigned char>(c));
    }
  }
  return safe;
}

std::string printable_start(std::string_view text, std::size_t most) {
  if (text.size() <= most) return printable(text);
  return printable(text.substr(0, most)) + fmt::format("... ({} bytes)", text.size());
}

std::string text_of(std::span<const char> field) {
  return {field.data(), ::strnlen(field.data(), field.size())};
}

std::string quoted(std::string_view text) {
  return "'" + std::string{text} + "'";
}

}  // namespace baton
