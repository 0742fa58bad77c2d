#include "master/rights.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <string>
#include <string_view>

#include "common/base/own_file.h"
#include "common/base/privileges.h"
#include "common/dict/object.h"
#include "common/shared/segment.h"
#include "master/descriptor_table.h"

namespace baton {

namespace {

bool may(const std::string& path, int mode) {
  return ::faccessat(AT_FDCWD, path.c_str(), mode, AT_EACCESS) == 0;
}

class RightsCheck {
 public:
  explicit RightsCheck(const Config& config) : config_(config), user_(name_of_user(::geteuid())) {}

  void reads(const std::string& path, std::string_view what, int mode = R_OK) {
    if (!may(path, mode))
      refuse(fmt::format("cannot read {} {}", what, path), "let it, or a group of its, read there");
  }

  // Something is made in `folder`, and removed again.
  void writes_in(const std::string& folder, std::string_view what) {
    if (may(folder, W_OK | X_OK) || (errno == ENOENT && is_run_folder(folder))) return;
    refuse(fmt::format("cannot write in {}, the folder of {}", folder, what),
           "use a folder that is its own, such as systemd's RuntimeDirectory=");
  }

  void makes(const std::string& path, std::string_view what) {
    const std::string folder = folder_of(path);
    keeps_to_itself(folder, what);
    writes_in(folder, fmt::format("{} {}", what, path));
  }

  // There already, it is only written; else, and after each rotation, it is made.
  void logs_to(const std::string& path) {
    if (standard_stream(path) >= 0) return;  // open already, whoever may open it again
    struct stat status {};
    const bool there = ::stat(path.c_str(), &status) == 0;
    keeps_to_itself(folder_of(path), "the log");
    if (there ? may(path, W_OK) : may(folder_of(path), W_OK | X_OK)) return;
    refuse(fmt::format("cannot {} the log {}", there ? "write to" : "make", path),
           "give it the file, and its folder: a folder of its own is systemd's LogsDirectory=");
  }

  void stays(const ServerConfig& server) {
    if (server.account.uid.value_or(::geteuid()) == ::geteuid()) return;
    add(fmt::format("'user' is '{}', but the server runs as {}; restart it to change that",
                    server.account.user, user_));
  }

  std::vector<ConfigError> errors() && { return std::move(errors_); }

 private:
  static std::string folder_of(const std::string& path) {
    return std::filesystem::path(path).parent_path().string();
  }

  void keeps_to_itself(const std::string& folder, std::string_view what) {
    if (!is_free_for_all(folder)) return;
    add(fmt::format(
        "{}, the folder of {}, is open to everybody: anybody could put another file in its place; "
        "use another folder, or chmod +t it",
        folder, what));
  }

  void refuse(const std::string& what, std::string_view remedy) {
    const int error = errno;
    add(fmt::format("the user {} {}: {}; {}", user_, what, std::strerror(error), remedy));
  }
  void add(std::string message) { errors_.push_back({config_.file, 0, 0, std::move(message)}); }

  const Config& config_;
  std::string user_;
  std::vector<ConfigError> errors_;
};

void check_route(RightsCheck& check, const RouteConfig& route) {
  if (const auto* files = std::get_if<StaticConfig>(&route.action))
    check.reads(files->root, "the root", R_OK | X_OK);
  if (const auto* module = std::get_if<ModuleConfig>(&route.action)) check.reads(module->file, "the module");
}

// Only root can change /run, so lchown() hits the folder that mkdir() has just made.
void make_run_folder(const std::string& file, const ServerConfig& server) {
  const std::string folder = std::filesystem::path(file).parent_path().string();
  if (!is_run_folder(folder) || ::mkdir(folder.c_str(), 0755) != 0) return;
  [[maybe_unused]] const int ignored =
      ::lchown(folder.c_str(), server.account.uid.value_or(0), server.account.gid.value_or(0));
}

}  // namespace

std::vector<ConfigError> check_identity(const Config& config) {
  if (::geteuid() != 0 || config.server.account.uid) return {};
  return {
      {config.file, 0, 0,
       "started as root, but nobody is named to run as: write user = \"www-data\", or another account "
       "without rights of its own, under [server] (user = \"root\" if it must be), or start it with --user"}};
}

void leave_root(const Config& config, const std::string& file) {
  if (::geteuid() == 0) {
    size_descriptor_table(most_connections(config));
    const std::string name = Segment::name_for(file);
    Segment::remove_leftover(name, {config.server.account.uid.value_or(0)});
    remove_dicts_of(name);
    make_run_folder(config.server.pid_file, config.server);
    for (const ListenConfig& listen : config.listen)
      make_run_folder(listen.address.unix_path(), config.server);
  }
  become_user(config.server.account);
}

std::vector<ConfigError> check_rights(const Config& config, const std::string& file) {
  RightsCheck check(config);
  check.stays(config.server);
  check.reads(file, "its configuration");
  if (config.log.error != "stderr") check.logs_to(config.log.error);
  if (config.log.access != "off" && config.log.access != "stdout") check.logs_to(config.log.access);
  if (!config.server.pid_file.empty()) check.makes(config.server.pid_file, "the pid file");
  for (const ListenConfig& listen : config.listen)
    if (listen.address.is_unix()) check.makes(listen.address.unix_path(), "the socket");
  bool has_modules = false;
  for (const SiteConfig& site : config.sites) {
    for (const RouteConfig& route : site.routes) {
      check_route(check, route);
      has_modules = has_modules || std::holds_alternative<ModuleConfig>(route.action);
    }
  }
  if (has_modules) check.writes_in(config.server.spool_dir, "bodies ('spool_dir')");
  return std::move(check).errors();
}

std::string problems_with_rights(const Config& config, const std::string& file) {
  std::string text = join_errors(check_identity(config));
  if (text.empty()) text = join_errors(check_rights(config, file));
  return text;
}

}  // namespace baton
