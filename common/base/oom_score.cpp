#include "common/base/oom_score.h"

#include <fcntl.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <fstream>
#include <string>

#include "common/base/unique_fd.h"

namespace baton {

namespace {

constexpr const char* kFile = "/proc/self/oom_score_adj";

}  // namespace

int oom_score_adj() {
  std::ifstream file(kFile);
  int score = 0;
  file >> score;
  return score;
}

bool set_oom_score_adj(int score) {
  // A process that is not dumpable does not own its own files in /proc: prctl(2).
  const int dumpable = ::prctl(PR_GET_DUMPABLE);
  UniqueFd file(::open(kFile, O_WRONLY | O_CLOEXEC));
  if (!file && dumpable != 1 && ::prctl(PR_SET_DUMPABLE, 1) == 0) {
    file = UniqueFd(::open(kFile, O_WRONLY | O_CLOEXEC));
    ::prctl(PR_SET_DUMPABLE, 0);
  }
  const std::string text = std::to_string(score);
  return file && ::write(file.get(), text.data(), text.size()) == static_cast<ssize_t>(text.size());
}

}  // namespace baton
