#include "common/base/without.h"

#include <algorithm>
#include <cstdlib>
#include <iterator>
#include <stdexcept>
#include <string>
#include <string_view>

namespace baton {

namespace {

constexpr std::string_view kNames[] = {"fsgsbase", "dispatch", "pkeys"};  // in the order of Ability

unsigned read_abilities(std::string_view list) {
  unsigned abilities = 0;
  while (!list.empty()) {
    const std::string_view name = list.substr(0, list.find(','));
    list.remove_prefix(std::min(name.size() + 1, list.size()));
    const auto* const found = std::find(std::begin(kNames), std::end(kNames), name);
    if (found == std::end(kNames))
      throw std::runtime_error("BATON_WITHOUT names '" + std::string(name) +
                               "': it takes fsgsbase, dispatch and pkeys, with commas between them");
    abilities |= 1U << (found - std::begin(kNames));
  }
  return abilities;
}

}  // namespace

bool without(Ability ability) {
  static const unsigned abilities = [] {
    const char* const list = std::getenv("BATON_WITHOUT");
    return read_abilities(list == nullptr ? "" : list);
  }();
  return (abilities >> static_cast<unsigned>(ability) & 1U) != 0;
}

}  // namespace baton
