// Opens files below a folder, whatever links and renames do meanwhile.
#pragma once

#include <cstdint>

namespace baton {

// openat2(2) with O_CLOEXEC and `flags`. The kernel resolves `path` in one step that cannot leave `folder`:
// no "..", no absolute link, no link of /proc. Returns the descriptor, or -1 with errno. EXDEV: the path
// would have left the folder. EAGAIN: a rename raced with "..".
int open_beneath(int folder, const char* path, int flags);

}  // namespace baton
