// Which program this process runs, for an upgrade to execute again.
#pragma once

#include <string>

namespace baton {

// The absolute path behind argv[0]: searched for in $PATH when it holds no slash. Symbolic links are not
// followed, now or later: a package that replaces the file, or an administrator who moves the link, changes
// what is there. To be called before anything changes the working directory.
std::string program_path(const std::string& argv0);

}  // namespace baton
