// Keeps wild writes of handlers out of the memory that the workers share (pkeys(7)).
#pragma once

#include <cstddef>

namespace baton::app {

// A protection key belongs to pages. The right to write to those pages belongs to each thread, which changes
// it without a system call. There is one key in a worker process. If the CPU does not support keys, all
// functions here do nothing.
class Protection {
 public:
  // Gives the memory the worker's key. The calling thread keeps all rights to it. May be called for several
  // regions. False: the CPU or the kernel has no keys, or they are not to be used (common/base/without.h).
  static bool guard(void* memory, std::size_t bytes);

  // From here on the calling thread may read guarded memory, but not write to it. Threads and processes that
  // it makes inherit that.
  static void deny();

  // Lets the calling thread write as long as the object lives.
  class Writing {
   public:
    Writing();
    ~Writing();
    Writing(const Writing&) = delete;
    Writing& operator=(const Writing&) = delete;

   private:
    int before_ = 0;
  };

  // Gives the calling thread all rights again. A signal handler needs this first: the kernel begins it
  // without any right, even to read. Async-signal-safe.
  static void allow();
};

}  // namespace baton::app
