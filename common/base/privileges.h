// Who a process runs as, and what it may do beyond that. Nothing here can be taken back.
#pragma once

#include <sys/types.h>

#include <optional>
#include <string>

namespace baton {

// What --user says: the account of a configuration that names none. In the environment, so that a program
// that is executed in an upgrade has it as well.
constexpr const char* kUserVariable = "BATON_USER";

// Who the server is to run as: names as the configuration says them, and the numbers that the system has for
// them.
struct Account {
  std::string user;          // empty: the user that started the master, who is not root then
  std::string group;         // empty: the user's own group
  std::optional<uid_t> uid;  // nothing: there is no `user`
  std::optional<gid_t> gid;
};

// In the master, before there is any other process. Started as root it becomes `account.user`, with its
// groups (initgroups(3)) and `account.group` as the first, if there is one. Of all capabilities
// CAP_NET_BIND_SERVICE is kept, where there is one, also across execve(2). Where `account.user` is root
// nothing is given up. Throws std::runtime_error that says what failed.
void become_user(const Account& account);

// In the master, after become_user(), and in a program that it has executed: nothing that is executed gains
// rights (PR_SET_NO_NEW_PRIVS), and other processes of the same user cannot look into this one or trace it,
// unless core dumps are asked for (RLIMIT_CORE), which takes the same permission. Cloned processes inherit
// both.
void restrict_process();

// In every process that is not the master: it keeps no capability. Root keeps them. False, with errno, if the
// kernel refuses.
bool drop_capabilities();

// "'nobody'", or "uid 4711" when that has no name.
std::string name_of_user(uid_t uid);

}  // namespace baton
