// Text from outside, made harmless for terminals, pages and logs.
#pragma once

#include <string>
#include <string_view>

namespace baton {

// Every byte but printable ASCII as \xNN: nothing in it can steer a terminal, and it is valid UTF-8.
std::string printable(std::string_view text);

}  // namespace baton
