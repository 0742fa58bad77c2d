// Some of the campaign's clients, driven by one thread.
#pragma once

#include <atomic>
#include <memory>
#include <stop_token>
#include <thread>
#include <vector>

#include "tests/campaign/actor.h"

namespace baton::survive {

// Destroyed before finish() has returned, it leaves its clients where they are.
class Crowd {
 public:
  Crowd(const Target& target, Tally& tally) : target_(target), tally_(tally) {}

  void add(Manner manner, bool over_unix, std::uint64_t seed);
  void start();
  // Every client ends what it has begun and closes; returns when all have.
  void finish();

  [[nodiscard]] std::size_t size() const { return actors_.size(); }
  [[nodiscard]] const std::vector<float>& latencies_ms() const { return latencies_ms_; }  // after finish()

 private:
  void run(const std::stop_token& stop);

  const Target& target_;
  Tally& tally_;
  std::vector<std::unique_ptr<Actor>> actors_;
  std::vector<float> latencies_ms_;
  std::atomic<bool> finishing_{false};
  std::jthread thread_;
};

}  // namespace baton::survive
