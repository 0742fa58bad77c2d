// The test's side of the labelled crash points: arms them, and reads what the server has counted there.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <map>
#include <string>
#include <string_view>

#include "common/base/crash_point.h"
#include "tests/support/temp_dir.h"

namespace baton::test {

// A control block in a file of `folder`. While it lives, the servers that this process starts obey it; they
// must be of the build with crash points, which is in build/*/points.
class CrashPoints {
 public:
  explicit CrashPoints(const TempDir& folder);
  CrashPoints(const CrashPoints&) = delete;
  CrashPoints& operator=(const CrashPoints&) = delete;
  ~CrashPoints();

  // Begins or ends counting and obeying. While it is off, only handled requests are recorded.
  void watch(bool on = true) { control_->watching.store(on ? 1 : 0); }

  // After `skip` more passes through `label`, each of the next `fires` passes ends its process with `signal`.
  // Replaces what was armed before. Throws if there is no such label.
  void kill_at(std::string_view label, int signal, std::uint32_t fires = 1, std::uint32_t skip = 0);
  // The next pass waits until release() is called or its process ends.
  void hang_at(std::string_view label, std::uint32_t skip = 0);
  // The next pass stops its process with SIGSTOP.
  void stop_at(std::string_view label, std::uint32_t skip = 0);
  void release();
  void disarm() { control_->armed.store(0); }

  // How often the armed action was taken since it was armed, and by which process last.
  [[nodiscard]] std::uint32_t hits() const { return control_->hits.load(); }
  [[nodiscard]] pid_t last_pid() const { return control_->last_pid.load(); }
  [[nodiscard]] std::uint64_t passes(std::string_view label) const;

  // How often the handler was begun for each POST target so far. Throws if there were more than the record
  // holds.
  [[nodiscard]] std::map<std::string, std::uint32_t> handled() const;

 private:
  void arm(std::string_view label, CrashAction action, std::uint32_t fires, std::uint32_t skip);

  CrashControl* control_;
};

}  // namespace baton::test
