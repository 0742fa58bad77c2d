// Part of <baton/module.h>. The way to baton itself, and the text types of both sides.
#pragma once

#include <string_view>

#include "abi.h"

namespace baton::inline sdk::detail {

// The function table of the worker that has loaded this module; null before BATON_MODULE's body runs. Hidden,
// because a worker may load several modules, and each needs its own.
[[gnu::visibility("hidden")]] inline const baton_host* host = nullptr;

inline std::string_view view(baton_text text) {
  return {text.data, text.size};
}

inline baton_text text(std::string_view view) {
  return {view.data(), view.size()};
}

}  // namespace baton::inline sdk::detail
