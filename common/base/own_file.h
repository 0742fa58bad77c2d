// Files under names that the configuration says: logs, the pid file, sockets. Where others may write as well,
// such as /tmp, somebody may have taken a name before: with a link to what only this user may write, or with
// a file whose content is then his.
#pragma once

#include <string>

#include "common/base/unique_fd.h"

namespace baton {

// Opens `path` with `flags`, making it with mode 0640 if it is not there. A link is followed only if it is
// root's or this user's own. In a folder where everybody may write, an existing file must be one of theirs,
// too, under this name alone. Throws std::runtime_error that says what is wrong with who has made it; empty,
// with errno, where the kernel refuses.
UniqueFd open_own_file(const std::string& path, int flags);

// 1 or 2 if `path` is what standard output or error is, such as /dev/stdout; else -1.
int standard_stream(const std::string& path);

// Whether somebody else than root and this user has made `path`, which may be a link: false also if there is
// nothing.
bool is_anothers(const std::string& path);

// Whether it is /run/NAME: gone with each boot, and made by a start as root where it is missing.
bool is_run_folder(const std::string& folder);

// Whether in `folder` everybody may make files, and also remove those of others.
bool is_free_for_all(const std::string& folder);

}  // namespace baton
