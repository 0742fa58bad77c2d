// A dictionary without a server: its memory and its counters are shared with the processes that a test forks.
#pragma once

#include <sys/mman.h>

#include <atomic>
#include <boost/interprocess/mapped_region.hpp>
#include <cstdint>
#include <new>
#include <stdexcept>
#include <string>

#include "common/dict/object.h"
#include "common/dict/shared_dict.h"
#include "tests/support/test_segment.h"

namespace baton::test {

// One object of `T` in memory that forked processes share.
template <typename T>
class SharedObject {
 public:
  SharedObject() {
    void* const memory =
        ::mmap(nullptr, sizeof(T), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED) throw std::runtime_error("mmap failed");
    object_ = new (memory) T{};
  }
  SharedObject(const SharedObject&) = delete;
  SharedObject& operator=(const SharedObject&) = delete;
  ~SharedObject() { ::munmap(object_, sizeof(T)); }

  T& operator*() const { return *object_; }
  T* operator->() const { return object_; }

 private:
  T* object_;
};

// The time that the test sets. All dictionaries share it, because a dictionary's clock is a plain function.
inline std::uint64_t test_time_ns = 1'000'000'000;
inline std::uint64_t test_clock() {
  return test_time_ns;
}
inline void pass_ms(std::uint64_t ms) {
  test_time_ns += ms * 1'000'000;
}

constexpr std::uint64_t kSmallDict = 64 << 10;

class TestDict {
 public:
  explicit TestDict(std::uint64_t bytes = kSmallDict)
      : region_(make(bytes)), dict_(region_.get_address(), *counters_, test_clock) {}

  [[nodiscard]] SharedDict& operator*() { return dict_; }
  [[nodiscard]] SharedDict* operator->() { return &dict_; }
  [[nodiscard]] void* memory() const { return region_.get_address(); }
  [[nodiscard]] std::size_t bytes() const { return region_.get_size(); }
  [[nodiscard]] DictHeader& header() const { return *static_cast<DictHeader*>(memory()); }
  [[nodiscard]] DictCounters& counters() const { return *counters_; }

  // "(none)" if the key is not there.
  std::string get(std::string_view key) {
    std::string value;
    return dict_.get(key, value) == SharedDict::Status::kOk ? value : "(none)";
  }

 private:
  static boost::interprocess::mapped_region make(std::uint64_t bytes) {
    const SegmentName name;  // only the mapping stays
    return create_dict(name.text(), "test", bytes);
  }

  boost::interprocess::mapped_region region_;
  SharedObject<DictCounters> counters_;
  SharedDict dict_;
};

}  // namespace baton::test
