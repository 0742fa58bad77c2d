// A server that is started as root becomes another user before it serves. This file makes that change, and
// checks that this user may do all that a configuration asks for: what only root may do would work at the
// start, and fail at the next reload or at the end.
#pragma once

#include <vector>

#include "common/config/config.h"

namespace baton {

// To be called before the change. Checks that the configuration names the user to become; it is an error if
// the server was started as root and no user is named.
std::vector<ConfigError> check_identity(const Config& config);

// To be called at a start, by root or any other user. Does the last things that need root: raises the limit
// of open files, removes from /dev/shm what a server of the same `file` (an absolute path) has left, and
// makes the user's folders in /run. Then becomes that user (common/base/privileges.h). Throws
// std::runtime_error if that server is running, the limit is too low, or the kernel refuses.
void leave_root(const Config& config, const std::string& file);

// To be called after the change. Returns what the user that serves may not do with the files and folders of
// `config`; reloads read `config` from the path `file`. Each error names the user, the file and a remedy. It
// is also an error if `config` names another user than this process has become. Opens and makes nothing.
std::vector<ConfigError> check_rights(const Config& config, const std::string& file);

// The same in one text, one line for each error; empty: all is well.
std::string problems_with_rights(const Config& config, const std::string& file);

}  // namespace baton
