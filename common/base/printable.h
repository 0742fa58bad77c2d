// Text from outside, made harmless for terminals, pages and logs.
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <string_view>

namespace baton {

// Every byte but printable ASCII as \xNN: nothing in it can steer a terminal, and it is valid UTF-8.
std::string printable(std::string_view text);

// The same of no more than the first `most` bytes of `text`, for a log, which whoever sends much is not to
// fill. Of what is longer it says how long it is.
std::string printable_start(std::string_view text, std::size_t most);

// What stands in a field of fixed size, up to its first NUL or its end: another process may be writing it.
std::string text_of(std::span<const char> field);

// 'text', as it is.
std::string quoted(std::string_view text);

}  // namespace baton
