// The pid file, for init scripts and people.
#pragma once

#include <string>

namespace baton {

class PidFile {
 public:
  // Writes this process's id into `path`; an empty `path` means no file. Replaces in one step (rename) the
  // file that a dead server left, or that this process wrote before an upgrade. Throws std::runtime_error
  // that names the path and the reason; also if the file names another server that is alive, because two
  // servers must not share a pid file.
  explicit PidFile(std::string path);
  // For a `path` that this process wrote before it executed another program.
  struct Written {};
  PidFile(std::string path, Written) : path_(std::move(path)) {}
  PidFile(const PidFile&) = delete;
  PidFile& operator=(const PidFile&) = delete;
  // Removes the file if it still names this process. Runs in the master only: workers leave with _exit().
  ~PidFile();

  [[nodiscard]] const std::string& path() const { return path_; }

 private:
  std::string path_;
};

}  // namespace baton
