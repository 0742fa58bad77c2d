#include "common/shared/shm_owner.h"

#include <pwd.h>
#include <unistd.h>

#include <algorithm>
#include <fstream>
#include <regex>

#include "common/base/privileges.h"

namespace baton {

std::string doubt_about_owner(const std::string& name, const struct stat& status,
                              const std::vector<uid_t>& others) {
  const bool known = status.st_uid == ::geteuid() || status.st_uid == 0 ||
                     std::find(others.begin(), others.end(), status.st_uid) != others.end();
  const std::string object = "/dev/shm/" + name;
  const std::string remedy = "remove it (as root: rm " + object + ")";
  if (!known) {
    return object + " belongs to " + name_of_user(status.st_uid) +
           ", who is neither root nor you, nor named as user under [server]: name that one if it is to run "
           "this server; else " +
           remedy;
  }
  if (!S_ISREG(status.st_mode) || (status.st_mode & (S_IRWXG | S_IRWXO)) != 0)
    return object + " is open to others than its owner, " + name_of_user(status.st_uid) + ": " + remedy;
  return "";
}

std::string doubt_about_name(const std::string& name, const std::vector<uid_t>& others) {
  struct stat status {};
  if (::lstat(("/dev/shm/" + name).c_str(), &status) != 0) return "";
  return doubt_about_owner(name, status, others);
}

std::vector<uid_t> users_of_file(const std::string& file) {
  static const std::regex kUser("^[^#]*\\buser\\s*=\\s*[\"']([^\"']+)[\"']");
  std::vector<uid_t> users;
  struct stat status {};
  if (::stat(file.c_str(), &status) != 0 || !S_ISREG(status.st_mode)) return users;
  users.push_back(status.st_uid);
  std::ifstream text(file);
  std::smatch found;
  constexpr std::size_t kLongestLine = 1024;  // std::regex recurses once per character
  for (std::string line; std::getline(text, line);) {
    if (line.size() > kLongestLine || !std::regex_search(line, found, kUser)) continue;
    if (const passwd* const entry = ::getpwnam(found[1].str().c_str())) users.push_back(entry->pw_uid);
  }
  return users;
}

}  // namespace baton
