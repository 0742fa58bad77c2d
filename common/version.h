#pragma once

namespace baton {

constexpr const char* kVersion = "0.1.0";

}  // namespace baton
