#include "common/printable.h"

#include <fmt/format.h>

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

}  // namespace baton
