// Shared memory objects have names that anybody can guess, in a folder where anybody may make one first. So
// before anything in one is believed it is asked whose it is.
#pragma once

#include <sys/stat.h>
#include <sys/types.h>

#include <string>
#include <vector>

namespace baton {

// Why the object `name` with this `status` is not to be believed: it is neither this user's nor root's nor of
// one of `others`, or not its owner alone may use it. For people, with a remedy. Empty: it is all right.
std::string doubt_about_owner(const std::string& name, const struct stat& status,
                              const std::vector<uid_t>& others = {});

// The same for what has that name now, without opening it. Empty also where there is nothing.
std::string doubt_about_name(const std::string& name, const std::vector<uid_t>& others = {});

// The users that a configuration file names, to whom a server of it may belong: every `user = "..."` in it,
// and the file's owner. It need not be a good file, because batonctl works with a bad one as well.
std::vector<uid_t> users_of_file(const std::string& file);

}  // namespace baton
