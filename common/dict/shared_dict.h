// A dictionary that all workers share: keys and values are any bytes, values may expire, and when there is no
// room the entries that were not used for longest go.
//
// Each call is one critical section of a robust mutex. A process that dies in it, at any instruction, leaves
// the call done or not done at all; the next one who comes repairs the rest first. See common/dict/layout.h.
//
// Any thread of any process that inherited or mapped the memory may call, but no signal handler. Calls cost
// O(1), those that change expiry O(log entries), plus copying key and value.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "common/base/clock.h"
#include "common/dict/memory.h"

namespace baton {

class SharedDict {
 public:
  static constexpr std::size_t kMaxKeyBytes = DictMemory::kMaxKeyBytes;

  enum class Status : std::uint8_t {
    kOk,
    kNotFound,    // no such key, or it has expired
    kExists,      // add: the key is there
    kMismatch,    // compare_and_swap: the value is another one
    kNotANumber,  // increment: the value is no decimal 64-bit integer, or the sum would not be
    kTooLarge,    // the key has more than kMaxKeyBytes, or the entry would take more than half of the cells
  };
  using Clock = std::uint64_t (*)();  // nanoseconds, the same in all processes

  // `memory` of a dictionary (common/dict/object.h) and the entry that tells of it; both outlive this.
  SharedDict(void* memory, DictCounters& counters, Clock clock = monotonic_ns);
  SharedDict(const SharedDict&) = delete;
  SharedDict& operator=(const SharedDict&) = delete;

  // `key`, `value` and `expected` may be anywhere, also in what get() has filled. `ttl_ms`: milliseconds
  // until it expires; 0: never. A call that finds the key counts as its use.
  Status get(std::string_view key, std::string& value);
  Status set(std::string_view key, std::string_view value, std::uint64_t ttl_ms);
  // As set(), but only where there is nothing.
  Status add(std::string_view key, std::string_view value, std::uint64_t ttl_ms);
  // Adds to a decimal integer and keeps its expiry. One that is not there begins at `initial`, to which
  // `delta` is added, and expires after `ttl_ms`. `result`, which may be null, is set only when it was done.
  Status increment(std::string_view key, std::int64_t delta, std::int64_t initial, std::uint64_t ttl_ms,
                   std::int64_t* result);
  // As set(), but only if the value is `expected` now.
  Status compare_and_swap(std::string_view key, std::string_view expected, std::string_view value,
                          std::uint64_t ttl_ms);
  Status remove(std::string_view key);
  void clear();

  [[nodiscard]] const DictCounters& counters() const { return counters_; }
  [[nodiscard]] std::uint64_t bytes_total() const { return memory_.bytes_total(); }

 private:
  class Lock;

  template <typename Work>
  Status run(Work work);
  void put_right(bool give_up);
  void show();

  CellIndex lookup(std::string_view key, std::uint32_t hash, std::uint64_t now_ns);
  Status store(std::string_view key, std::string_view value, std::uint64_t expires_ns, std::uint32_t hash,
               std::uint64_t now_ns, CellIndex old);
  void make_room(std::uint32_t cells, std::uint64_t now_ns);
  void drop(CellIndex entry);
  [[nodiscard]] bool expired(CellIndex entry, std::uint64_t now_ns);

  DictMemory memory_;
  DictCounters& counters_;
  Clock clock_;
  bool done_ = false;  // the call in hand has had its effect: it must not be begun again
};

}  // namespace baton
