#include "common/base/own_file.h"

#include <fcntl.h>
#include <linux/magic.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <cerrno>
#include <climits>
#include <cstring>
#include <filesystem>
#include <stdexcept>

#include "common/base/privileges.h"

namespace baton {

namespace {

constexpr int kMostLinks = 8;
constexpr int kMostTries = 8;  // while another process creates and removes it
constexpr mode_t kMode = 0640;

bool is_ours(const struct stat& status) {
  return status.st_uid == 0 || status.st_uid == ::geteuid();
}

std::string folder_of(const std::string& path) {
  const std::string folder = std::filesystem::path(path).parent_path().string();
  return folder.empty() ? "." : folder;
}

bool everybody_writes(const std::string& folder, struct stat& status) {
  return ::stat(folder.c_str(), &status) == 0 && (status.st_mode & S_IWOTH) != 0;
}

// Where the link at `path` leads. Returns `path` itself when it is no link, or a link of /proc, which leads
// to no name. The descriptor holds the link meanwhile, so the link that is checked is the link that is
// read.
std::string target_of(const std::string& path) {
  const UniqueFd link(::open(path.c_str(), O_PATH | O_NOFOLLOW | O_CLOEXEC));
  struct stat status {};
  struct statfs system {};
  if (!link || ::fstat(link.get(), &status) != 0 || !S_ISLNK(status.st_mode)) return path;
  if (::fstatfs(link.get(), &system) == 0 && system.f_type == PROC_SUPER_MAGIC) return path;
  if (!is_ours(status))
    throw std::runtime_error("it is a link that " + name_of_user(status.st_uid) + " has made: remove it");
  char target[PATH_MAX];
  const ssize_t length = ::readlinkat(link.get(), "", target, sizeof target);
  if (length < 0) throw std::runtime_error(std::strerror(errno));
  return (std::filesystem::path(folder_of(path)) / std::string(target, static_cast<std::size_t>(length)))
      .string();
}

bool is_in_proc(const std::string& path) {
  struct statfs system {};
  return ::statfs(folder_of(path).c_str(), &system) == 0 && system.f_type == PROC_SUPER_MAGIC;
}

// Opens the file if it exists, otherwise creates it. At no instant is a link followed or a file taken over.
UniqueFd open_or_make(const std::string& path, int flags) {
  const int no_link = is_in_proc(path) ? 0 : O_NOFOLLOW;
  for (int i = 0; i < kMostTries; ++i) {
    UniqueFd fd(::open(path.c_str(), flags | no_link | O_CLOEXEC | O_NOCTTY));
    if (fd || errno != ENOENT) return fd;
    fd = UniqueFd(::open(path.c_str(), flags | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC | O_NOCTTY, kMode));
    if (fd || errno != EEXIST) return fd;
  }
  return UniqueFd();
}

}  // namespace

UniqueFd open_own_file(const std::string& path, int flags) {
  std::string file = path;
  for (int links = 0; links < kMostLinks; ++links) file = target_of(file);
  UniqueFd fd = open_or_make(file, flags);
  struct stat status {};
  struct stat folder {};
  if (!fd || ::fstat(fd.get(), &status) != 0 || !S_ISREG(status.st_mode)) return fd;
  if (!everybody_writes(folder_of(file), folder)) return fd;
  if (!is_ours(status))
    throw std::runtime_error(name_of_user(status.st_uid) +
                             " has made it, in a folder where everybody may: remove it");
  if (status.st_nlink != 1)
    throw std::runtime_error("it has another name as well, in a folder where everybody may give it one");
  return fd;
}

int standard_stream(const std::string& path) {
  struct stat status {};
  if (::stat(path.c_str(), &status) != 0) return -1;
  for (const int fd : {STDOUT_FILENO, STDERR_FILENO}) {
    struct stat stream {};
    if (::fstat(fd, &stream) == 0 && stream.st_dev == status.st_dev && stream.st_ino == status.st_ino)
      return fd;
  }
  return -1;
}

bool is_anothers(const std::string& path) {
  struct stat status {};
  return ::lstat(path.c_str(), &status) == 0 && !is_ours(status);
}

bool is_run_folder(const std::string& folder) {
  return std::filesystem::path(folder).parent_path() == "/run";
}

bool is_free_for_all(const std::string& folder) {
  struct stat status {};
  return everybody_writes(folder, status) && (status.st_mode & S_ISVTX) == 0;
}

}  // namespace baton
