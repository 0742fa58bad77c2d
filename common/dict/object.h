// The shared memory objects of dictionaries: one for each, beside the instance's segment.
#pragma once

#include <boost/interprocess/mapped_region.hpp>
#include <cstdint>
#include <string>
#include <string_view>

namespace baton {

// The name of the object of dictionary `dict`. `segment`: the name of the instance's segment
// (Segment::name_for).
std::string dict_object_name(const std::string& segment, std::string_view dict);

// Creates an empty dictionary in `bytes` of memory, with mode 0600 and all of it set aside at once.
// Replaces an object that has the name. Throws std::runtime_error with a message for people, and then
// leaves nothing behind.
boost::interprocess::mapped_region create_dict(const std::string& object, std::string_view dict,
                                               std::uint64_t bytes);

// Maps an existing dictionary. Throws std::runtime_error when there is none, when it belongs to another
// user, or when this program cannot work with it (another layout, sizes that do not fit).
boost::interprocess::mapped_region open_dict(const std::string& object);

// Removes the name, if it exists. The memory lives for as long as a process has it mapped.
void remove_dict(const std::string& object);

// Removes the objects of all dictionaries of an instance. For an instance that owns the segment's name: it
// removes what its predecessor has left.
void remove_dicts_of(const std::string& segment);

}  // namespace baton
