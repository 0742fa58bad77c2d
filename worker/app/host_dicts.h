// The shared dictionaries for modules: the dict_* functions of baton_host.
#pragma once

#include <memory>
#include <span>

#include "common/dict/open_dict.h"
#include "sdk/baton/abi.h"

namespace baton::app {

using OpenDicts = std::span<const std::shared_ptr<OpenDict>>;

// Fills in the dict_* members of `host`. `dicts` are the dictionaries of the worker's configuration, one set
// in a process; they live as long as the worker. The functions may be called on any thread.
//
// dict_open returns null for a name that is not configured. A null dictionary has no entries and no room.
void add_functions_of_dicts(baton_host& host, OpenDicts dicts);

}  // namespace baton::app
