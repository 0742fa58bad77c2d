#include "master/header_guard.h"

#include <algorithm>
#include <cstddef>
#include <cstring>

#include "common/base/futex.h"
#include "common/base/log.h"

namespace baton {

namespace {

constexpr std::uint64_t kEveryNs = 60'000'000'000;
// What follows is written by others as well, or only adds up.
constexpr std::size_t kBytes = offsetof(SegmentHeader, retired_sequence);

}  // namespace

void HeaderGuard::note() {
  copy_.resize(kBytes);
  std::memcpy(copy_.data(), static_cast<const void*>(&header_), kBytes);
}

std::size_t HeaderGuard::mend() {
  auto* const now = reinterpret_cast<std::byte*>(&header_);
  if (copy_.empty() || std::memcmp(now, copy_.data(), kBytes) == 0) return 0;
  std::size_t changed = 0;
  for (std::size_t i = 0; i < kBytes; ++i) changed += now[i] != copy_[i] ? 1 : 0;
  std::memcpy(now, copy_.data(), kBytes);
  futex_wake_all(header_.generation);
  futex_wake_all(header_.frozen);
  return changed;
}

void HeaderGuard::tell(std::size_t bytes, std::uint64_t now_ns) {
  if (now_ns < next_ns_) return;
  next_ns_ = now_ns + kEveryNs;
  log::error(
      "the shared memory is damaged, as by a wild write of a module: {} bytes that only the master writes "
      "are put right; restart the server if it does not serve as it should",
      bytes);
}

}  // namespace baton
