// Finds the program that this process runs, for an upgrade to execute again.
#pragma once

#include <string>

namespace baton {

// Returns the absolute path behind argv[0], which is searched for in $PATH if it has no slash. Symbolic links
// are not resolved: so an upgrade executes what a package has put in the place of the file, or what an
// administrator has pointed the link to. Must be called before anything changes the working directory.
std::string program_path(const std::string& argv0);

}  // namespace baton
