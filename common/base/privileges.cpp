#include "common/base/privileges.h"

#include <grp.h>
#include <linux/capability.h>
#include <pwd.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <cstring>
#include <stdexcept>

namespace baton {

namespace {

constexpr std::uint32_t kBindLowPorts = std::uint32_t{1} << CAP_NET_BIND_SERVICE;

[[noreturn]] void fail(const Account& account, const char* call) {
  throw std::runtime_error("cannot become the user '" + account.user + "': " + call + ": " +
                           std::strerror(errno));
}

// Keeps only the permitted capabilities in the mask, which covers the lower 32. These become effective,
// inheritable and ambient: without the last, an executed program would have none.
bool keep_capabilities(std::uint32_t mask) {
  __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
  __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3] = {};
  if (::syscall(SYS_capget, &header, data) != 0) return false;
  const std::uint32_t kept = data[0].permitted & mask;
  data[0] = {kept, kept, kept};
  data[1] = {};
  ::prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0L, 0L, 0L);
  if (::syscall(SYS_capset, &header, data) != 0) return false;
  return kept == 0 || ::prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, CAP_NET_BIND_SERVICE, 0L, 0L) == 0;
}

// Where PR_SET_NO_NEW_PRIVS holds this is not needed, so it is no failure that CAP_SETPCAP is missing.
void reduce_bounding_set() {
  for (int capability = 0; ::prctl(PR_CAPBSET_READ, capability, 0L, 0L, 0L) >= 0; ++capability) {
    if (capability != CAP_NET_BIND_SERVICE) ::prctl(PR_CAPBSET_DROP, capability, 0L, 0L, 0L);
  }
}

void change_identity(const Account& account) {
  int death_signal = 0;
  ::prctl(PR_GET_PDEATHSIG, &death_signal);
  if (::initgroups(account.user.c_str(), *account.gid) != 0) fail(account, "initgroups");
  if (::setresgid(*account.gid, *account.gid, *account.gid) != 0) fail(account, "setresgid");
  if (::setresuid(*account.uid, *account.uid, *account.uid) != 0) fail(account, "setresuid");
  // Changing the user clears the death signal that the starting process has asked for.
  ::prctl(PR_SET_PDEATHSIG, death_signal);
}

}  // namespace

void become_user(const Account& account) {
  const bool root = ::geteuid() == 0;
  if (root && account.uid.value_or(0) == 0) {
    if (!account.group.empty()) change_identity(account);
    return;
  }
  if (root) {
    reduce_bounding_set();
    ::prctl(PR_SET_KEEPCAPS, 1L, 0L, 0L, 0L);
    change_identity(account);
    ::prctl(PR_SET_KEEPCAPS, 0L, 0L, 0L, 0L);
  }
  if (!keep_capabilities(kBindLowPorts)) fail(account, "capset");
}

void restrict_process() {
  ::prctl(PR_SET_NO_NEW_PRIVS, 1L, 0L, 0L, 0L);
  rlimit core{};
  ::getrlimit(RLIMIT_CORE, &core);
  ::prctl(PR_SET_DUMPABLE, core.rlim_cur > 0 ? 1L : 0L, 0L, 0L, 0L);
}

bool drop_capabilities() {
  return ::geteuid() == 0 || keep_capabilities(0);
}

std::string name_of_user(uid_t uid) {
  const passwd* const entry = ::getpwuid(uid);
  return entry != nullptr ? "'" + std::string(entry->pw_name) + "'" : "uid " + std::to_string(uid);
}

}  // namespace baton
