// The user that a process runs as, and its rights beyond that. Nothing here can be taken back.
#pragma once

#include <sys/types.h>

#include <optional>
#include <string>

namespace baton {

// The value of --user: the account for a configuration that names none. It is in the environment so that
// the program that an upgrade executes has it, too.
constexpr const char* kUserVariable = "BATON_USER";

// The account that the server is to run as: the names in the configuration, and the numbers that the system
// has for them.
struct Account {
  std::string user;          // empty: the user that started the master, who then is not root
  std::string group;         // empty: the user's own group
  std::optional<uid_t> uid;  // nothing: the configuration has no `user`
  std::optional<gid_t> gid;
};

// For the master, before any other process exists. Started as root, it becomes `account.user`, with that
// user's groups (initgroups(3)) and with `account.group` as the primary group, if there is one. Of all
// capabilities it keeps only CAP_NET_BIND_SERVICE, if it had it, also across execve(2). If `account.user`
// is root, it gives up nothing. Throws std::runtime_error that says what failed.
void become_user(const Account& account);

// For the master, after become_user(), and for a program that it has executed. No executed program gains
// rights (PR_SET_NO_NEW_PRIVS). Other processes of the same user cannot inspect or trace this one, unless
// core dumps are asked for (RLIMIT_CORE), because these need the same permission. Cloned processes inherit
// both.
void restrict_process();

// For every process except the master: gives up all capabilities. Root keeps them. False, with errno, if
// the kernel refuses.
bool drop_capabilities();

// "'nobody'", or "uid 4711" when that id has no name.
std::string name_of_user(uid_t uid);

}  // namespace baton
