#include "common/shared/reserve_memory.h"

#include <fcntl.h>

#include <cerrno>
#include <cstring>
#include <stdexcept>
#include <string>

namespace baton {

void reserve_memory(boost::interprocess::shared_memory_object& object, std::uint64_t bytes) {
  int error = 0;
  do error = ::posix_fallocate(object.get_mapping_handle().handle, 0, static_cast<off_t>(bytes));
  while (error == EINTR);
  if (error == 0) return;
  const std::string full = error == ENOSPC ? "; /dev/shm is full: see df -h /dev/shm" : "";
  throw std::runtime_error(std::strerror(error) + full);
}

}  // namespace baton
