// Opens files under names from the configuration: logs, the pid file, sockets. In a folder where others may
// write, such as /tmp, another user may have taken a name first: with a link to a file that only this user
// may write, or with a file that the other user then controls.
#pragma once

#include <string>

#include "common/base/unique_fd.h"

namespace baton {

// Opens `path` with `flags`, creating it with mode 0640 if it does not exist. A link is followed only if it
// belongs to root or this user. In a folder where everybody may write, an existing file must belong to one
// of these two as well, and have no second name. Throws std::runtime_error that says what is wrong and who
// made the file. Returns an empty descriptor, with errno, when the kernel refuses.
UniqueFd open_own_file(const std::string& path, int flags);

// 1 or 2 if `path` means standard output or error, as /dev/stdout does; otherwise -1.
int standard_stream(const std::string& path);

// Whether a user other than root and this one has made `path`, which may be a link. False also if nothing
// is there.
bool is_anothers(const std::string& path);

// Whether it is /run/NAME. Such a folder is gone after each boot, and a start as root creates it when
// missing.
bool is_run_folder(const std::string& folder);

// Whether everybody may create files in `folder` and also remove those of others.
bool is_free_for_all(const std::string& folder);

}  // namespace baton
