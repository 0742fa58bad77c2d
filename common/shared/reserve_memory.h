// Shared memory that is certain to be there when it is written to.
#pragma once

#include <boost/interprocess/shared_memory_object.hpp>
#include <cstdint>

namespace baton {

// Makes `object` `bytes` large and has the system set all of it aside. Without that, a write after /dev/shm
// has become full ends the process with SIGBUS. Throws std::runtime_error that says why it failed.
void reserve_memory(boost::interprocess::shared_memory_object& object, std::uint64_t bytes);

}  // namespace baton
