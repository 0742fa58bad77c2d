// A dictionary that all workers share. Keys and values are any bytes, and values may expire. When there is
// no room, the entries that were unused for longest are dropped.
//
// Thread and process safety
//
// (1) Any thread of any process that inherited or mapped the memory may call, but a signal handler may not.
// (2) Each call is one critical section of a robust mutex. If a process dies in it, at any instruction, the
//     call is either done or not done at all.
// (3) The next process that takes the mutex repairs the rest before its own call. See common/dict/layout.h.
//
// A call costs O(1), one that changes expiry O(log entries), plus the copying of key and value.
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
    kNotFound,    // no such key, or its entry has expired
    kExists,      // add: the key exists
    kMismatch,    // compare_and_swap: the value is a different one
    kNotANumber,  // increment: the value is no decimal 64-bit integer, or the sum would overflow one
    kTooLarge,    // the key is longer than kMaxKeyBytes, or the entry would take more than half of the cells
  };
  using Clock = std::uint64_t (*)();  // nanoseconds, the same in all processes

  // `memory` of a dictionary (common/dict/object.h), and the counters that show its figures. Both must
  // outlive this object.
  SharedDict(void* memory, DictCounters& counters, Clock clock = monotonic_ns);
  SharedDict(const SharedDict&) = delete;
  SharedDict& operator=(const SharedDict&) = delete;

  // `key`, `value` and `expected` may lie anywhere, also in a string that get() has filled. `ttl_ms`:
  // milliseconds until the value expires; 0: never. A call that finds the key counts as a use of its entry.
  Status get(std::string_view key, std::string& value);
  Status set(std::string_view key, std::string_view value, std::uint64_t ttl_ms);
  // Like set(), but only if the key does not exist.
  Status add(std::string_view key, std::string_view value, std::uint64_t ttl_ms);
  // Adds `delta` to a decimal integer and keeps its expiry. A missing key begins with `initial` + `delta`
  // and expires after `ttl_ms`. `result` may be null; it is set only on kOk.
  Status increment(std::string_view key, std::int64_t delta, std::int64_t initial, std::uint64_t ttl_ms,
                   std::int64_t* result);
  // Like set(), but only if the current value is `expected`.
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
  bool done_ = false;  // the call in hand has taken effect and must not begin again
};

}  // namespace baton
