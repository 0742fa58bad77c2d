// The folder that a static route serves. Where its path leads to another one, that one takes its place.
#pragma once

#include <atomic>
#include <cstdint>
#include <optional>
#include <string>

#include "common/base/clock.h"

namespace baton::serve {

// Made by the master before it clones a generation of workers, which inherit it; routes with the same path
// have one between them. Which folder it is stands in memory that the master and those workers share:
//
//   word = {change:32, fd:32}     fd -1: there is no folder at the path now
//
// Once a second the worker that is asked for a file opens the path anew, and compares. A link that was
// switched, a folder that was made anew or replaced, also one above it: whatever is there now is put in the
// place of the old one by one compare-and-swap, for all workers at once. While there is none the path is
// looked at every tick.
//
// The old descriptor stays open, because other workers may be between reading the word and openat2(2). Nobody
// names it any more, so the master closes it when no worker has files in motion (master/reclaimer.h).
class StaticRoot {
 public:
  // `key` names the folder in the open-file table. It is another one after each change.
  struct View {
    int fd = -1;
    std::uint64_t key = 0;
  };

  // Opens the folder. Throws std::runtime_error that names it.
  explicit StaticRoot(std::string path);
  // Master only: no worker has it any more.
  ~StaticRoot();
  StaticRoot(const StaticRoot&) = delete;
  StaticRoot& operator=(const StaticRoot&) = delete;

  [[nodiscard]] const std::string& path() const { return path_; }

  // A worker may use the descriptor as long as a DescriptorMotion lasts that it had before it asked.
  [[nodiscard]] View view() const { return view_of(shared_->word.load(std::memory_order_seq_cst)); }

  // For workers, before each use. When a look is due and nobody else has begun it, the calling worker looks.
  // Returns the key of the folder that it has replaced, if it has: the caller retires what the open-file
  // table has of it.
  std::optional<std::uint64_t> follow(Tick now);

  // Master only: whether a descriptor has become nobody's since the last call.
  bool take_left_open() { return shared_->left_open.exchange(false, std::memory_order_acquire); }

  // The memory that is shared, for guarding it from handlers.
  [[nodiscard]] void* memory() const { return shared_; }
  static std::size_t memory_bytes() { return sizeof(Shared); }

 private:
  struct alignas(4096) Shared {
    std::atomic<std::uint64_t> word{0};
    std::atomic<Tick> looked{0};
    std::atomic<int> trouble{0};  // errno of the last look, where it does not tell what is there
    std::atomic<bool> left_open{false};
  };

  [[nodiscard]] View view_of(std::uint64_t word) const;
  struct Look {
    std::uint64_t before = 0;  // the word
    bool changed = false;      // by this look
    int error = 0;             // why the path cannot be opened
  };
  Look look();
  void report(const Look& seen);

  std::string path_;
  std::uint64_t first_key_ = 0;  // of the folder that the master has opened
  std::uint64_t salt_ = 0;       // makes the keys of other folders unlike those of other generations
  Shared* shared_ = nullptr;
};

}  // namespace baton::serve
