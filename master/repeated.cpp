#include "master/repeated.h"

namespace baton {

bool Repeated::tell(const std::string& kind, const std::string& what, std::uint64_t now_ns) {
  static const std::string kOthers;
  const bool known = kinds_.contains(kind) || kinds_.size() < kKinds;
  const auto [entry, is_new] = kinds_.try_emplace(known ? kind : kOthers);
  if (is_new) entry->second = {known ? what : "", now_ns, 0};
  return ++entry->second.times <= kTold;
}

template <typename Over>
std::vector<Repeated::Counted> Repeated::take(Over over) {
  std::vector<Counted> counted;
  std::erase_if(kinds_, [&](const auto& entry) {
    const Kind& kind = entry.second;
    if (!over(kind)) return false;
    if (kind.times > kTold) counted.push_back({kind.what, kind.times - kTold});
    return true;
  });
  return counted;
}

std::vector<Repeated::Counted> Repeated::over(std::uint64_t now_ns) {
  return take([now_ns](const Kind& kind) { return now_ns >= kind.begun_ns + kMinuteNs; });
}

std::vector<Repeated::Counted> Repeated::all() {
  return take([](const Kind&) { return true; });
}

}  // namespace baton
