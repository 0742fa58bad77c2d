#include "common/shared/module_places.h"

#include <algorithm>

namespace baton {

namespace {

constexpr std::uint64_t kNsPerLevel = 1'000'000;

}  // namespace

void HandlerSpeed::note(std::uint64_t ns) {
  const std::uint8_t before = level_.load(std::memory_order_relaxed);
  const std::int64_t from = before == kUnknown ? kSlow : before;
  const auto taken = static_cast<std::int64_t>(std::min<std::uint64_t>(ns / kNsPerLevel, kSlowest));
  const auto level =
      static_cast<std::uint8_t>(std::clamp<std::int64_t>(from + taken - 1, kQuickest, kSlowest));
  // Usually the level is unchanged: spare the other cores the cache line.
  if (level != before) level_.store(level, std::memory_order_relaxed);
}

bool WaitingLine::put(int fd, Tick until) {
  for (auto& word : words_) {
    std::uint64_t free = kFree;
    if (word.load(std::memory_order_relaxed) == kFree &&
        word.compare_exchange_strong(free, word_of(fd, until)))
      return true;
  }
  return false;
}

void WaitingLine::remove(int fd) {
  for (auto& word : words_) {
    std::uint64_t seen = word.load(std::memory_order_relaxed);
    if (seen != kFree && fd_of(seen) == fd) word.compare_exchange_strong(seen, kFree);
  }
}

bool WaitingLine::contains(int fd) const {
  return std::any_of(std::begin(words_), std::end(words_), [fd](const auto& word) {
    const std::uint64_t seen = word.load(std::memory_order_relaxed);
    return seen != kFree && fd_of(seen) == fd;
  });
}

std::optional<int> WaitingLine::take_first() {
  while (true) {
    std::atomic<std::uint64_t>* first = nullptr;
    std::uint64_t first_seen = kFree;
    for (auto& word : words_) {
      const std::uint64_t seen = word.load(std::memory_order_relaxed);
      if (seen == kFree || (first != nullptr && until_of(seen) >= until_of(first_seen))) continue;
      first = &word;
      first_seen = seen;
    }
    if (first == nullptr) return std::nullopt;
    if (first->compare_exchange_strong(first_seen, kFree)) return fd_of(first_seen);
  }
}

std::size_t WaitingLine::count() const {
  return static_cast<std::size_t>(std::count_if(std::begin(words_), std::end(words_), [](const auto& word) {
    return word.load(std::memory_order_relaxed) != kFree;
  }));
}

}  // namespace baton
