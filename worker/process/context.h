// What a worker gets when it is cloned. All of it exists before the worker and outlives it.
#pragma once

#include "common/config/config.h"
#include "common/dict/open_dict.h"
#include "common/shared/epoll_set.h"
#include "common/shared/segment.h"
#include "worker/route/router.h"

namespace baton {

struct WorkerContext {
  Segment& segment;
  const Config& config;
  const serve::Router& router;
  EpollSet epoll;
  Holder index;  // scoreboard entry
  std::uint32_t generation;
  int ready_fd;       // eventfd: written once the worker can take events, and when it has served its share
  int access_log_fd;  // -1: off
  std::span<const std::shared_ptr<OpenDict>> dicts = {};
  bool tells_of_machine = false;  // whether this worker logs what this machine cannot do for modules
  std::optional<std::size_t> keyholder = {};  // of a keyholder: the index of its set (HandshakeSets)

  // Whether another worker serves in the place of this one. Then this one ends after the request in hand. Any
  // thread.
  [[nodiscard]] bool replaced() const {
    return segment.header().generation.load(std::memory_order_relaxed) > generation ||
           entry().retire.load(std::memory_order_relaxed) != 0;
  }
  // Whether this worker has to go: the server ends, or replaced(). Any thread.
  [[nodiscard]] bool to_go() const {
    return segment.header().state.load(std::memory_order_relaxed) >= MasterState::kStopping || replaced();
  }

  [[nodiscard]] WorkerEntry& entry() const { return segment.scoreboard()[index]; }
  [[nodiscard]] Counters& counters() const { return entry().counters; }
  [[nodiscard]] FlightRecord& flight() const { return entry().flight; }
};

}  // namespace baton
