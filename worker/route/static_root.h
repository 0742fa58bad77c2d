// The folder that a static route serves. When its path leads to another folder, that one takes its place.
#pragma once

#include <atomic>
#include <cstdint>
#include <optional>
#include <string>

#include "common/base/clock.h"

namespace baton::serve {

// The master makes it before it clones a generation of workers, which inherit it. Routes with the same path
// share one root. The folder's descriptor stands in memory that the master and those workers share:
//
//   word = {change:32, fd:32}     fd -1: there is no folder at the path now
//
// About once a second a worker that is asked for a file opens the path anew, and compares. A link may have
// been switched, or the folder or one above it replaced or made anew. Then one compare-and-swap puts the new
// folder in the place of the old one, for all workers at once. While there is no folder, workers look every
// tick.
//
// The old descriptor stays open, because another worker may be between reading the word and openat2(2). The
// word does not name it any more. So the master closes it when no worker has files in motion
// (master/reclaimer.h).
class StaticRoot {
 public:
  // `fd`: -1 while there is no folder. `key` names the folder in the open-file table, and differs after each
  // change.
  struct View {
    int fd = -1;
    std::uint64_t key = 0;
  };

  // Opens the folder. Throws std::runtime_error with the path and the reason if it cannot.
  explicit StaticRoot(std::string path);
  // Master only, when no worker uses it any more.
  ~StaticRoot();
  StaticRoot(const StaticRoot&) = delete;
  StaticRoot& operator=(const StaticRoot&) = delete;

  [[nodiscard]] const std::string& path() const { return path_; }

  // A worker takes a DescriptorMotion first. It may use the descriptor as long as that lasts.
  [[nodiscard]] View view() const { return view_of(shared_->word.load(std::memory_order_seq_cst)); }

  // For workers, before each use. If a look is due, and no other worker has begun it, opens the path and
  // compares. If this call has replaced the folder, returns the key of the old one: the caller retires the
  // files of that key from the open-file table.
  std::optional<std::uint64_t> follow(Tick now);

  // Master only. Whether a replaced folder has left its descriptor open since the last call.
  bool take_left_open() { return shared_->left_open.exchange(false, std::memory_order_acquire); }

  // The shared memory, so that it can be guarded from handlers.
  [[nodiscard]] void* memory() const { return shared_; }
  static std::size_t memory_bytes() { return sizeof(Shared); }

 private:
  struct alignas(4096) Shared {
    std::atomic<std::uint64_t> word{0};
    std::atomic<Tick> looked{0};
    std::atomic<int> trouble{0};  // errno of the last look, if it could not tell what is there; else 0
    std::atomic<bool> left_open{false};
  };

  [[nodiscard]] View view_of(std::uint64_t word) const;
  struct Look {
    std::uint64_t before = 0;  // the word that the look began with
    bool changed = false;      // this look has changed the word
    int error = 0;             // why the path cannot be opened
  };
  Look look();
  void report(const Look& seen);

  std::string path_;
  std::uint64_t first_key_ = 0;  // key of the folder that the master has opened
  std::uint64_t salt_ = 0;       // makes the keys of later folders differ from those of other generations
  Shared* shared_ = nullptr;
};

}  // namespace baton::serve
