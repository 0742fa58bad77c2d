// Who the server runs as, and on how many CPUs: the parts of [server] that ask the system.
#pragma once

#include "common/config/reader.h"

namespace baton {

// Reads `user` and `group` and looks both up (getpwnam, getgrnam). Where there is no `user`, kUserVariable of
// the environment is. Changing identity takes root, so naming another than the own one is an error for
// anybody else.
void read_identity(TableReader& reader, ServerConfig& server);

}  // namespace baton
