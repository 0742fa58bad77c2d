// The shared memory object that a dictionary is kept in: one for each, beside the instance's segment.
#pragma once

#include <boost/interprocess/mapped_region.hpp>
#include <cstdint>
#include <string>
#include <string_view>

namespace baton {

// The name of a dictionary's object; `segment` is the instance's (Segment::name_for).
std::string dict_object_name(const std::string& segment, std::string_view dict);

// Creates an empty dictionary in `bytes` of memory, mode 0600, all of it set aside at once; replaces what has
// the name. Throws std::runtime_error with a message for people; nothing is left behind then.
boost::interprocess::mapped_region create_dict(const std::string& object, std::string_view dict,
                                               std::uint64_t bytes);

// Maps one that is there. Throws std::runtime_error: there is none, or it is not one that this program can
// work with (another layout, sizes that do not fit).
boost::interprocess::mapped_region open_dict(const std::string& object);

// Removes the name, if there is one: the memory lives as long as somebody has it mapped.
void remove_dict(const std::string& object);

// Removes the objects of all dictionaries of an instance: what its predecessor has left, once the instance
// owns the segment's name.
void remove_dicts_of(const std::string& segment);

}  // namespace baton
