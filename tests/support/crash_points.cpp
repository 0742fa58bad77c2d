#include "tests/support/crash_points.h"

#include <fcntl.h>
#include <linux/futex.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <climits>
#include <cstdlib>
#include <cstring>
#include <stdexcept>

#include "common/base/unique_fd.h"

namespace baton::test {

namespace {

std::uint32_t index_of(std::string_view label) {
  const auto* const found = std::find(std::begin(kCrashPoints), std::end(kCrashPoints), label);
  if (found == std::end(kCrashPoints)) throw std::invalid_argument("no crash point " + std::string(label));
  return static_cast<std::uint32_t>(found - std::begin(kCrashPoints));
}

}  // namespace

CrashPoints::CrashPoints(const TempDir& folder) {
  const std::string path = (folder.path() / "crash_points").string();
  const UniqueFd file(::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_EXCL, 0666));
  // All zeros is a block in which nothing is armed.
  if (!file || ::ftruncate(file.get(), sizeof(CrashControl)) != 0)
    throw std::runtime_error(path + ": " + std::strerror(errno));
  void* const block =
      ::mmap(nullptr, sizeof(CrashControl), PROT_READ | PROT_WRITE, MAP_SHARED, file.get(), 0);
  if (block == MAP_FAILED) throw std::runtime_error(std::string("mmap: ") + std::strerror(errno));
  control_ = static_cast<CrashControl*>(block);
  ::setenv("BATON_CRASH_POINTS", path.c_str(), 1);
}

CrashPoints::~CrashPoints() {
  ::unsetenv("BATON_CRASH_POINTS");
  disarm();
  release();
  ::munmap(control_, sizeof(CrashControl));
}

void CrashPoints::arm(std::string_view label, CrashAction action, std::uint32_t fires, std::uint32_t skip) {
  const std::uint32_t index = index_of(label);
  disarm();
  control_->hits.store(0);
  control_->action.store(static_cast<std::uint32_t>(action));
  control_->watching.store(1);
  control_->armed.store(Armed{index, skip, fires}.pack());
}

void CrashPoints::kill_at(std::string_view label, int signal, std::uint32_t fires, std::uint32_t skip) {
  disarm();
  control_->signal.store(signal);
  arm(label, CrashAction::kKill, fires, skip);
}

void CrashPoints::hang_at(std::string_view label, std::uint32_t skip) {
  disarm();
  control_->held.store(1);
  arm(label, CrashAction::kHang, 1, skip);
}

void CrashPoints::stop_at(std::string_view label, std::uint32_t skip) {
  arm(label, CrashAction::kStop, 1, skip);
}

void CrashPoints::release() {
  control_->held.store(0);
  ::syscall(SYS_futex, &control_->held, FUTEX_WAKE, INT_MAX, nullptr, nullptr, 0);
}

std::uint64_t CrashPoints::passes(std::string_view label) const {
  return control_->passes[index_of(label)].load();
}

std::map<std::string, std::uint32_t> CrashPoints::handled() const {
  const std::uint64_t count = control_->handled_count.load();
  if (count > CrashControl::kHandled) throw std::runtime_error("the record of handled requests is full");
  std::map<std::string, std::uint32_t> times;
  for (std::uint64_t i = 0; i < count; ++i) {
    const HandledRequest& entry = control_->handled[i];
    // A process that was killed while it was writing leaves an incomplete record: its request had not begun.
    if (entry.sequence.load(std::memory_order_acquire) == i + 1)
      ++times[std::string(entry.target, entry.length)];
  }
  return times;
}

}  // namespace baton::test
