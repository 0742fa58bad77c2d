#include "master/pid_file.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <iterator>
#include <stdexcept>

#include "common/base/own_file.h"
#include "common/base/unique_fd.h"
#include "common/shared/segment.h"

namespace baton {

namespace {

std::string read_text(const std::string& path) {
  std::ifstream file(path);
  std::string text;
  std::getline(file, text, '\0');
  return text;
}

// Returns the pid in the file. 0: there is no such file, or it holds something else.
pid_t named_by(const std::string& path) {
  pid_t pid = 0;
  std::ifstream file(path);
  file >> pid;
  return file && pid > 0 ? pid : 0;
}

// Pids are reused, so the process counts as a server only if it has the name of this program. Workers have
// another name.
bool is_server(pid_t pid) {
  const std::string name = read_text("/proc/" + std::to_string(pid) + "/comm");
  return process_start(pid) != 0 && (name == "baton\n" || name == read_text("/proc/self/comm"));
}

}  // namespace

PidFile::PidFile(std::string path) : path_(std::move(path)) {
  if (path_.empty()) return;
  if (is_anothers(path_)) {
    throw std::runtime_error("the pid file " + path_ +
                             " is there already, and another user's: remove it or name another file");
  }
  if (const pid_t owner = named_by(path_); owner != 0 && owner != ::getpid() && is_server(owner)) {
    throw std::runtime_error("the pid file " + path_ + " belongs to a server that is running as pid " +
                             std::to_string(owner) + ": stop that one or name another file");
  }
  const std::string fresh = path_ + ".new";
  const std::string text = std::to_string(::getpid()) + "\n";
  ::unlink(fresh.c_str());  // a server may have died here
  const UniqueFd fd(::open(fresh.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0644));
  if (!fd || ::write(fd.get(), text.data(), text.size()) != static_cast<ssize_t>(text.size()) ||
      std::rename(fresh.c_str(), path_.c_str()) != 0) {
    throw std::runtime_error("cannot write the pid file " + path_ + ": " + std::strerror(errno));
  }
}

PidFile::~PidFile() {
  if (!path_.empty() && named_by(path_) == ::getpid()) ::unlink(path_.c_str());
}

}  // namespace baton
