#include "tests/support/machine.h"

#include <linux/prctl.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/prctl.h>

#include <cstdlib>

#include "tests/support/sanitizers.h"

namespace baton::test {

namespace {

bool machine_has(Ability ability) {
  switch (ability) {
    case Ability::kFsGsBase: return (::getauxval(AT_HWCAP2) & 2) != 0;
    case Ability::kDispatch:
      return ::prctl(PR_SET_SYSCALL_USER_DISPATCH, PR_SYS_DISPATCH_OFF, 0L, 0L, 0L) == 0;
    case Ability::kProtectionKeys: {
      const int key = ::pkey_alloc(0, 0);
      return key >= 0 && ::pkey_free(key) == 0;
    }
  }
  return false;
}

}  // namespace

bool has(Ability ability) {
  return !without(ability) && machine_has(ability);
}

bool stands_in() {
#if defined(__x86_64__)
  return !kAddressSanitizer && has(Ability::kDispatch);
#else
  return false;
#endif
}

Without::Without(const std::string& names) {
  const char* const list = std::getenv("BATON_WITHOUT");
  if (list != nullptr) before_ = list;
  ::setenv("BATON_WITHOUT", (before_.empty() ? names : before_ + "," + names).c_str(), 1);
}

Without::~Without() {
  ::setenv("BATON_WITHOUT", before_.c_str(), 1);
}

}  // namespace baton::test
