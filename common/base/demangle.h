// C++ names as people write them.
#pragma once

#include <cxxabi.h>

#include <cstdlib>
#include <memory>
#include <string>

namespace baton {

// "app::connect(int)" for "_ZN3app7connectEi". Returns `name` itself if it is not a mangled C++ name.
inline std::string demangled(const std::string& name) {
  const std::unique_ptr<char, decltype(&std::free)> text(
      abi::__cxa_demangle(name.c_str(), nullptr, nullptr, nullptr), std::free);
  return text ? text.get() : name;
}

}  // namespace baton
