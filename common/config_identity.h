// Who the server runs as, and on how many CPUs: the parts of [server] that ask the system.
#pragma once

#include "common/config_reader.h"

namespace baton {

// Reads `user` and `group` and looks both up (getpwnam, getgrnam). Changing identity takes root, so naming
// either is an error when the effective user is another.
void read_identity(TableReader& reader, ServerConfig& server);

}  // namespace baton
