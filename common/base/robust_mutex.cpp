#include "common/base/robust_mutex.h"

#include <linux/futex.h>
#include <signal.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <climits>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <ctime>
#include <type_traits>

namespace baton {

namespace {

constexpr long kLookAgainNs = 10'000'000;

// The kernel's interface (Documentation/locking/robust-futex-ABI): the first word is the owner's thread id
// and two flags. glibc can change neither this word nor the place of its `kind` without breaking programs
// that share memory with older ones.
static_assert(offsetof(pthread_mutex_t, __data.__lock) == 0 && sizeof(int) == sizeof(std::uint32_t));

std::atomic_ref<std::uint32_t> word_of(pthread_mutex_t& mutex) {
  return std::atomic_ref<std::uint32_t>(reinterpret_cast<std::uint32_t&>(mutex));
}

void initialize(pthread_mutex_t& mutex) {
  pthread_mutexattr_t attributes;
  ::pthread_mutexattr_init(&attributes);
  ::pthread_mutexattr_setpshared(&attributes, PTHREAD_PROCESS_SHARED);
  ::pthread_mutexattr_setrobust(&attributes, PTHREAD_MUTEX_ROBUST);
  ::pthread_mutexattr_settype(&attributes, PTHREAD_MUTEX_ERRORCHECK);
  ::pthread_mutex_init(&mutex, &attributes);
  ::pthread_mutexattr_destroy(&attributes);
}

int kind_of_ours() {
  static const int kind = [] {
    pthread_mutex_t mutex;
    initialize(mutex);
    return mutex.__data.__kind;
  }();
  return kind;
}

timespec in_a_moment() {
  timespec at{};
  ::clock_gettime(CLOCK_MONOTONIC, &at);
  at.tv_nsec += kLookAgainNs;
  if (at.tv_nsec >= 1'000'000'000) {
    at.tv_nsec -= 1'000'000'000;
    ++at.tv_sec;
  }
  return at;
}

}  // namespace

static_assert(std::is_trivially_default_constructible_v<RobustMutex>);

void RobustMutex::create() {
  initialize(mutex_);
}

RobustMutex::Taken RobustMutex::lock() {
  restore_kind();
  int error = ::pthread_mutex_trylock(&mutex_);
  while (error != 0 && error != EOWNERDEAD) {
    if (error == EDEADLK) std::abort();
    if (error == EBUSY || error == ETIMEDOUT) {
      const timespec until = in_a_moment();
      error = ::pthread_mutex_clocklock(&mutex_, CLOCK_MONOTONIC, &until);
      if (error == ETIMEDOUT) {
        unlock_for_the_dead();
        restore_kind();
      }
      // Not recoverable: another process has written to it.
    } else {
      create();
      error = ::pthread_mutex_trylock(&mutex_);
      if (error == 0) return Taken::kOwnerDied;
    }
  }
  return error == 0 ? Taken::kClean : Taken::kOwnerDied;
}

void RobustMutex::mark_consistent() {
  ::pthread_mutex_consistent(&mutex_);
}

void RobustMutex::unlock() {
  restore_kind();
  ::pthread_mutex_unlock(&mutex_);
}

// With another kind the library would wait for ever, or stop the process.
void RobustMutex::restore_kind() {
  if (mutex_.__data.__kind != kind_of_ours()) mutex_.__data.__kind = kind_of_ours();
}

void RobustMutex::unlock_for_the_dead() {
  std::uint32_t seen = word_of(mutex_).load(std::memory_order_relaxed);
  if (seen == 0 || (seen & FUTEX_OWNER_DIED) != 0) return;  // it can be taken
  const auto owner = static_cast<pid_t>(seen & FUTEX_TID_MASK);
  // kill(2) finds any thread by its id, not only the first thread of a process.
  if (owner != 0 && (::kill(owner, 0) == 0 || errno != ESRCH)) return;
  if (word_of(mutex_).compare_exchange_strong(seen, (seen & FUTEX_WAITERS) | FUTEX_OWNER_DIED))
    ::syscall(SYS_futex, &mutex_, FUTEX_WAKE, 1, nullptr, nullptr, 0);
}

}  // namespace baton
