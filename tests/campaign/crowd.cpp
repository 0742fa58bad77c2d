#include "tests/campaign/crowd.h"

#include <sys/epoll.h>

#include <algorithm>

#include "common/base/clock.h"

namespace baton::survive {

namespace {

constexpr int kTurnMs = 2;

}  // namespace

void Crowd::add(Manner manner, bool over_unix, std::uint64_t seed) {
  actors_.push_back(std::make_unique<Actor>(manner, over_unix, target_, tally_, latencies_ms_, seed));
}

void Crowd::start() {
  thread_ = std::jthread([this](const std::stop_token& stop) { run(stop); });
}

void Crowd::finish() {
  finishing_ = true;
  if (thread_.joinable()) thread_.join();
}

void Crowd::run(const std::stop_token& stop) {
  const UniqueFd epoll(::epoll_create1(EPOLL_CLOEXEC));
  bool told = false;
  while (!stop.stop_requested()) {
    epoll_event events[64];
    const int count = ::epoll_wait(epoll.get(), events, std::size(events), kTurnMs);
    const std::uint64_t now = monotonic_ns();
    for (int i = 0; i < count; ++i) static_cast<Actor*>(events[i].data.ptr)->ready(epoll.get(), now);
    for (const auto& actor : actors_) {
      if (now >= actor->due()) actor->act(epoll.get(), now);
    }
    if (!finishing_) continue;
    if (!told) {
      for (const auto& actor : actors_) actor->finish();
    }
    told = true;
    if (std::all_of(actors_.begin(), actors_.end(), [](const auto& actor) { return actor->done(); })) return;
  }
}

}  // namespace baton::survive
