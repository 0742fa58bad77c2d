// Who a process runs as, and what it may do beyond that. Nothing here can be taken back.
#pragma once

#include <sys/types.h>

#include <string>

#include "common/config.h"

namespace baton {

// What --user says: the account of a configuration that names none. In the environment, so that a program
// that is executed in an upgrade has it as well.
constexpr const char* kUserVariable = "BATON_USER";

// In the master, before there is any other process. Started as root it becomes `server.user`, with its groups
// (initgroups(3)) and `server.group` as the first, if there is one. Of all capabilities CAP_NET_BIND_SERVICE
// is kept, where there is one, also across execve(2). Where `server.user` is root nothing is given up.
// Throws std::runtime_error that says what failed.
void become_user(const ServerConfig& server);

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
