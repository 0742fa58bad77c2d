// How a start as root ends being root, and whether the user that the server is then may do all that a
// configuration asks for: what only root could do would work at the start, and fail at the next reload or at
// the end.
#pragma once

#include <vector>

#include "common/config/config.h"

namespace baton {

// Who a server of this configuration is to run as, before it has become that user: an error if it was started
// as root and nobody is named.
std::vector<ConfigError> check_identity(const Config& config);

// At a start, as whoever it is. The last things that take root: the limit of open files is raised, what a
// server of the same `file`, an absolute path, has left in /dev/shm is removed, and folders in /run are made,
// for the user. Then this process is that user (common/base/privileges.h). Throws std::runtime_error: that
// server is running, the limit is too low, or the kernel refuses.
void leave_root(const Config& config, const std::string& file);

// As the user that serves. What it may not do with the files and folders of `config`, of which `file` is the
// path that reloads read; each error names the user, the file and a remedy. Opens and makes nothing. Also
// when this process would have to be another user's by now.
std::vector<ConfigError> check_rights(const Config& config, const std::string& file);

// The same, in one text with a line an error; empty: all is well.
std::string problems_with_rights(const Config& config, const std::string& file);

}  // namespace baton
