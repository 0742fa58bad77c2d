// The shared dictionaries as modules have them: the dict_* functions of baton_host.
#pragma once

#include <memory>
#include <span>

#include "common/dict/open_dict.h"
#include "sdk/baton/abi.h"

namespace baton::app {

using OpenDicts = std::span<const std::shared_ptr<OpenDict>>;

// Fills in the members of `host`. `dicts`: those of the worker's configuration, which live as long as the
// worker; one set in a process. The functions may be called on any thread.
//
// A null dictionary, as dict_open gives for a name that is not configured, has no entries and no room.
void add_functions_of_dicts(baton_host& host, OpenDicts dicts);

}  // namespace baton::app
