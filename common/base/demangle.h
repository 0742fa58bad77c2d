// Names of C++ as people write them.
#pragma once

#include <cxxabi.h>

#include <cstdlib>
#include <memory>
#include <string>

namespace baton {

// "app::connect(int)" of "_ZN3app7connectEi"; `name` itself where it is none of C++.
inline std::string demangled(const std::string& name) {
  const std::unique_ptr<char, decltype(&std::free)> text(
      abi::__cxa_demangle(name.c_str(), nullptr, nullptr, nullptr), std::free);
  return text ? text.get() : name;
}

}  // namespace baton
