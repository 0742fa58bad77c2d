// For tests that must know about sanitizers, above all tests of servers that crash on purpose.
#pragma once

#include <cstdlib>
#include <string>

namespace baton::test {

#if defined(__SANITIZE_ADDRESS__)
constexpr bool kAddressSanitizer = true;
#else
constexpr bool kAddressSanitizer = false;
#endif

// While this lives, the sanitizers of servers that are started leave signals and exits alone, so that a crash
// is a crash, and not an exit with a report.
class SanitizersLeave {
 public:
  SanitizersLeave() {
    ::setenv("ASAN_OPTIONS", (before_ + ":handle_segv=0:handle_sigbus=0:detect_leaks=0").c_str(), 1);
  }
  SanitizersLeave(const SanitizersLeave&) = delete;
  SanitizersLeave& operator=(const SanitizersLeave&) = delete;
  ~SanitizersLeave() { ::setenv("ASAN_OPTIONS", before_.c_str(), 1); }

 private:
  std::string before_ = ::getenv("ASAN_OPTIONS") != nullptr ? ::getenv("ASAN_OPTIONS") : "";
};

}  // namespace baton::test
