// The parts of [server] that ask the system: the account that the server runs as, and the number of CPUs.
#pragma once

#include "common/config/reader.h"

namespace baton {

// Reads `user` and `group` and looks both up (getpwnam, getgrnam). Without `user`, the environment's
// kUserVariable names it. Only root can change identity, so for any other user it is an error to name an
// account other than its own.
void read_identity(TableReader& reader, ServerConfig& server);

}  // namespace baton
