// Makes text from outside harmless for terminals, pages and logs.
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <string_view>

namespace baton {

// Writes every byte except printable ASCII as \xNN. The result cannot steer a terminal, and is valid UTF-8.
std::string printable(std::string_view text);

// The same for at most the first `most` bytes of `text`: for a log, which a client must not be able to
// fill. Says how long a longer text is.
std::string printable_start(std::string_view text, std::size_t most);

// The text in a field of fixed size, up to its first NUL or its end. Another process may be writing the
// field.
std::string text_of(std::span<const char> field);

// 'text', unchanged inside the quotes.
std::string quoted(std::string_view text);

}  // namespace baton
