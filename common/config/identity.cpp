#include "common/config/identity.h"

#include <grp.h>
#include <pwd.h>
#include <sched.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>

#include "common/base/privileges.h"
#include "common/config/sections.h"

namespace baton {
namespace {

// Only a start as root can change to another account. Naming the own account changes nothing and is
// allowed, so the same file works for root and for the account itself.
void require_root(TableReader& reader, const Located<std::string>& name, std::string_view key, bool same) {
  if (geteuid() == 0 || same) return;
  reader.fail(name.at, "'" + std::string{key} + "' is '" + name.value + "', but baton runs as " +
                           name_of_user(geteuid()) + ", and only a start as root can change that; " +
                           "start it as root or leave it out");
}

}  // namespace

void read_identity(TableReader& reader, ServerConfig& server) {
  auto user = reader.string("user");
  if (const char* otherwise = std::getenv(kUserVariable);
      otherwise != nullptr && !(user && !user->value.empty()))
    user = {otherwise, {}};
  if (user && !user->value.empty()) {
    if (const passwd* entry = getpwnam(user->value.c_str())) {
      server.account.uid = entry->pw_uid;
      server.account.gid = entry->pw_gid;
      require_root(reader, *user, "user", *server.account.uid == geteuid());
    } else {
      reader.fail(user->at, "'user' is '" + user->value + "', which this system does not know");
    }
    server.account.user = std::move(user->value);
  }
  if (auto name = reader.string("group"); name && !name->value.empty()) {
    if (const group* entry = getgrnam(name->value.c_str())) {
      server.account.gid = entry->gr_gid;
      require_root(reader, *name, "group", *server.account.gid == getegid());
    } else {
      reader.fail(name->at, "'group' is '" + name->value + "', which this system does not know");
    }
    server.account.group = std::move(name->value);
  }
}

std::uint32_t usable_cpus() {
  cpu_set_t cpus;
  // The call fails on a machine with more CPUs than a cpu_set_t holds.
  const long count =
      sched_getaffinity(0, sizeof cpus, &cpus) == 0 ? CPU_COUNT(&cpus) : sysconf(_SC_NPROCESSORS_ONLN);
  return static_cast<std::uint32_t>(std::max(count, 1L));
}

std::uint32_t automatic_workers() {
  constexpr std::uint32_t kFewest = 2;
  return std::clamp(usable_cpus(), kFewest, kMaxWorkersPerGeneration);
}

}  // namespace baton
