#include "common/base/log_file.h"

#include <fcntl.h>
#include <linux/major.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <stdexcept>

#include "common/base/own_file.h"

namespace baton {

namespace {

[[noreturn]] void refuse(const std::string& path, const std::string& why) {
  throw std::runtime_error("cannot open the log " + path + ": " + why);
}

// Whether each open(2) of the device makes a new pseudo-terminal and returns its other end.
bool makes_terminals(dev_t device) {
  return major(device) == TTYAUX_MAJOR && minor(device) == 2;
}

// Whether the device is a terminal, or one that only takes everything or nothing. Opening another device,
// or writing to it, may set off anything.
bool is_harmless(dev_t device) {
  const unsigned kind = major(device);
  const unsigned number = minor(device);
  if (kind == MEM_MAJOR) return number == 3 || number == 5 || number == 7;  // null, zero, full
  const bool terminal = kind == TTY_MAJOR || kind == TTYAUX_MAJOR ||
                        (kind >= UNIX98_PTY_SLAVE_MAJOR && kind < UNIX98_PTY_SLAVE_MAJOR + 8);
  return terminal && !makes_terminals(device);
}

// Why lines cannot go there. Null: they can.
const char* objection(const struct stat& status) {
  if (S_ISDIR(status.st_mode)) return "it is a directory";
  if (S_ISSOCK(status.st_mode)) return "it is a socket";
  if (S_ISBLK(status.st_mode)) return "it is a block device";
  if (S_ISCHR(status.st_mode) && !is_harmless(status.st_rdev)) return "it is a device that is no terminal";
  return nullptr;
}

}  // namespace

UniqueFd open_log_file(const std::string& path) {
  struct stat status {};
  const bool there = ::stat(path.c_str(), &status) == 0;
  // This user may lack the right to open again a pipe or a file that the starting process has made.
  const int stream = standard_stream(path);
  if (stream >= 0 && !S_ISREG(status.st_mode)) return open_standard_log(stream);
  if (there) {  // before opening, because opening alone may do harm
    if (const char* why = objection(status)) refuse(path, why);
  }
  UniqueFd fd;
  try {
    fd = open_own_file(path, O_WRONLY | O_APPEND | O_NONBLOCK);
  } catch (const std::runtime_error& error) {
    refuse(path, error.what());
  }
  if (!fd && stream >= 0) return open_standard_log(stream);
  if (!fd) {
    const int error = errno;
    const bool fifo = error == ENXIO && ::stat(path.c_str(), &status) == 0 && S_ISFIFO(status.st_mode);
    refuse(path, fifo ? "it is a FIFO that nobody reads" : std::strerror(error));
  }
  if (::fstat(fd.get(), &status) != 0) refuse(path, std::strerror(errno));
  if (const char* why = objection(status)) refuse(path, why);
  return fd;
}

UniqueFd open_standard_log(int fd) {
  struct stat status {};
  const bool known = ::fstat(fd, &status) == 0;
  const bool terminal =
      known && S_ISCHR(status.st_mode) && ::isatty(fd) == 1 && !makes_terminals(status.st_rdev);
  if (terminal || (known && S_ISFIFO(status.st_mode))) {
    const std::string again = "/proc/self/fd/" + std::to_string(fd);
    UniqueFd own(::open(again.c_str(), O_WRONLY | O_APPEND | O_NONBLOCK | O_CLOEXEC | O_NOCTTY));
    if (own) return own;
  }
  UniqueFd same(::fcntl(fd, F_DUPFD_CLOEXEC, STDERR_FILENO + 1));
  if (!same)
    throw std::runtime_error(std::string("cannot log to a standard stream: ") + std::strerror(errno));
  return same;
}

void replace_log(int fd, const UniqueFd& fresh) {
  if (::dup3(fresh.get(), fd, O_CLOEXEC) < 0)
    throw std::runtime_error(std::string("cannot reopen a log: ") + std::strerror(errno));
}

bool ends_in_torn_line(int fd) {
  struct stat status {};
  if (::fstat(fd, &status) != 0 || !S_ISREG(status.st_mode) || status.st_size == 0) return false;
  // `fd` itself was opened for writing only
  const std::string again = "/proc/self/fd/" + std::to_string(fd);
  const UniqueFd readable(::open(again.c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC));
  char last = '\n';
  return readable && ::pread(readable.get(), &last, 1, status.st_size - 1) == 1 && last != '\n';
}

}  // namespace baton
