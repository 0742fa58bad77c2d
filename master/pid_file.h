// The pid file: for init scripts and people.
#pragma once

#include <string>

namespace baton {

class PidFile {
 public:
  // Writes this process's id into `path`, replacing what is there at once (rename): what a dead one left, or
  // this very process before an upgrade. Nothing when `path` is empty. Throws std::runtime_error that names
  // the path and the reason, also when the file names another server that is alive: two must not share one.
  explicit PidFile(std::string path);
  // `path` was written by this process before it executed another program.
  struct Written {};
  PidFile(std::string path, Written) : path_(std::move(path)) {}
  PidFile(const PidFile&) = delete;
  PidFile& operator=(const PidFile&) = delete;
  // Removes the file if it still names this process. Only in the master: workers leave with _exit().
  ~PidFile();

  [[nodiscard]] const std::string& path() const { return path_; }

 private:
  std::string path_;
};

}  // namespace baton
