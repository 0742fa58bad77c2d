// Memory that is surely there.
#pragma once

#include <boost/interprocess/shared_memory_object.hpp>
#include <cstdint>

namespace baton {

// Makes `object` `bytes` large and has the system set all of it aside. Without that, memory that is written
// to when /dev/shm has become full ends the process with SIGBUS. Throws std::runtime_error that says why.
void reserve_memory(boost::interprocess::shared_memory_object& object, std::uint64_t bytes);

}  // namespace baton
