// A mutex in shared memory whose owner may die (pthread_mutexattr_setrobust(3)), made to survive what a
// module can do to it as well.
//
// The kernel unlocks what a dying thread holds by walking a list in that thread's memory. A wild write into
// the list, or a thread that dies without write access to the mutex (a signal handler runs with the default
// protection keys), leaves it locked by nobody. Who waits therefore looks now and then whether the owner
// still lives, and does what the kernel would have done.
#pragma once

#include <pthread.h>

namespace baton {

// Plain memory: no constructor, so that mapping shared memory does not touch it.
class RobustMutex {
 public:
  enum class Taken : unsigned char {
    kClean,
    kOwnerDied,  // in the middle of a change, maybe: repair, then mark_consistent(), then unlock()
  };

  // By its creator, before anybody else knows it.
  void create();

  // Waits as long as the owner lives. A thread that holds it already has left a call by a jump, or is in a
  // signal handler: that ends the process, because neither can be put right.
  [[nodiscard]] Taken lock();
  void mark_consistent();
  void unlock();

 private:
  void restore_kind();
  void unlock_for_the_dead();

  pthread_mutex_t mutex_;
};

}  // namespace baton
