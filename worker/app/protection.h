// Keeps handlers' wild writes out of the memory that the workers share (pkeys(7)).
#pragma once

#include <cstddef>

namespace baton::app {

// One per worker process. A protection key is a property of its pages, the right to write to them one of each
// thread, changed without a system call. Without the CPU's support everything here does nothing.
class Protection {
 public:
  // Gives the memory the worker's key; the calling thread keeps all rights to it. False where the CPU or the
  // kernel has no keys, or none is to be used (common/base/without.h). May be called for several regions.
  static bool guard(void* memory, std::size_t bytes);

  // The calling thread may read what is guarded, and not write to it. Threads and processes that it makes
  // inherit that.
  static void deny();

  // Lets the calling thread write again for a while.
  class Writing {
   public:
    Writing();
    ~Writing();
    Writing(const Writing&) = delete;
    Writing& operator=(const Writing&) = delete;

   private:
    int before_ = 0;
  };

  // For good: the kernel takes all rights from a signal handler, also that of reading. Async-signal-safe.
  static void allow();
};

}  // namespace baton::app
