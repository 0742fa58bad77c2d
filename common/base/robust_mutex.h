// A mutex in shared memory whose owner may die (pthread_mutexattr_setrobust(3)). It also survives what a
// module can do to it.
//
// When a thread dies, the kernel unlocks what the thread holds by walking a list in the thread's memory.
// Two things defeat that: a wild write into the list, and a thread that dies without write access to the
// mutex (a signal handler runs with the default protection keys). The mutex then stays locked without an
// owner. So a waiting process checks now and then whether the owner still lives, and otherwise does what
// the kernel would have done.
#pragma once

#include <pthread.h>

namespace baton {

// Plain memory without a constructor, so that mapping shared memory does not touch it.
class RobustMutex {
 public:
  enum class Taken : unsigned char {
    kClean,
    // The owner may have died in the middle of a change: repair, then mark_consistent(), then unlock().
    kOwnerDied,
  };

  // For its creator, before any other process knows it.
  void create();

  // Waits for as long as the owner lives. Ends the process if the calling thread already holds the mutex:
  // the thread has then left a call by a jump, or is in a signal handler, and neither can be repaired.
  [[nodiscard]] Taken lock();
  void mark_consistent();
  void unlock();

 private:
  void restore_kind();
  void unlock_for_the_dead();

  pthread_mutex_t mutex_;
};

}  // namespace baton
