// Anybody can guess the names of shared memory objects, and anybody may create one first in their folder.
// So the owner of an object is checked before anything in the object is believed.
#pragma once

#include <sys/stat.h>
#include <sys/types.h>

#include <string>
#include <vector>

namespace baton {

// Why the object `name` with this `status` must not be believed, for people, with a remedy: it belongs to
// neither this user nor root nor one of `others`, or not only its owner may use it. Empty: it may be
// believed.
std::string doubt_about_owner(const std::string& name, const struct stat& status,
                              const std::vector<uid_t>& others = {});

// The same for the object that has that name now, without opening it. Empty also when there is none.
std::string doubt_about_name(const std::string& name, const std::vector<uid_t>& others = {});

// The users to whom a server with this configuration file may belong: every `user = "..."` in it, and the
// file's owner. The file need not be valid, because batonctl works with an invalid one as well.
std::vector<uid_t> users_of_file(const std::string& file);

}  // namespace baton
