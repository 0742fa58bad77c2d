#include "master/spool_limits.h"

#include <sys/statvfs.h>

#include <cerrno>
#include <cstring>

#include "common/base/log.h"
#include "common/base/memory_limit.h"

namespace baton {

namespace {

std::uint64_t free_bytes(const std::string& folder) {
  struct statvfs status {};
  if (::statvfs(folder.c_str(), &status) != 0) {
    log::warn("the spool's folder {} cannot be used: {}; bodies above limits.spool_memory are refused",
              folder, std::strerror(errno));
    return 0;
  }
  return std::uint64_t{status.f_bavail} * status.f_frsize;
}

}  // namespace

void set_spool_limits(SpoolLimits& limits, const SpoolBudget& budget, const Config& config) {
  const std::uint64_t memory = config.limits.spool_memory_total.value_or(memory_limit() / 4);
  const std::uint64_t disk =
      config.limits.spool_disk_total.value_or((free_bytes(config.server.spool_dir) + budget.use().disk) / 2);
  limits.memory.store(memory / SpoolBudget::kPageBytes, std::memory_order_relaxed);
  limits.disk.store(disk / SpoolBudget::kPageBytes, std::memory_order_relaxed);
}

}  // namespace baton
