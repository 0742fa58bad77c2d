// Waiting across processes for a word of shared memory to change (futex(2)).
#pragma once

#include <linux/futex.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <atomic>
#include <climits>
#include <cstdint>
#include <ctime>

namespace baton {

// Returns when `word` is no longer `seen`, when woken, at a signal, or after `timeout_ms` milliseconds
// (below 1000). The caller must look again.
inline void futex_wait(const std::atomic<std::uint32_t>& word, std::uint32_t seen, int timeout_ms) {
  const timespec timeout{0, timeout_ms * 1'000'000L};
  ::syscall(SYS_futex, &word, FUTEX_WAIT, seen, &timeout, nullptr, 0);
}

inline void futex_wake_all(const std::atomic<std::uint32_t>& word) {
  ::syscall(SYS_futex, &word, FUTEX_WAKE, INT_MAX, nullptr, nullptr, 0);
}

}  // namespace baton
