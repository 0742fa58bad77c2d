// One function per table of the configuration file. Each reads what is there, leaves the default where
// nothing is, and reports every mistake; common/config/config.cpp strings them together.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/config/config.h"
#include "common/config/reader.h"

namespace baton {

struct ConfigContext {
  std::filesystem::path folder;        // absolute, without links; relative paths in the file start here
  std::filesystem::path named_folder;  // the same folder, by a name in which links may be
  ConfigErrors& errors;

  // Absolute, without "." and ".." and without a slash at its end.
  [[nodiscard]] std::string resolve(std::string_view path) const;

  // The same for what is to be found by its name again while the server runs: what follows a link that is
  // switched.
  [[nodiscard]] std::string resolve_by_name(std::string_view path) const;

  // A path of something that will be created later: reports an empty path, a folder in its place and a parent
  // folder that is not there. `what` begins the message: "pid_file".
  std::string resolve_new_file(const Located<std::string>& path, std::string_view what) const;
};

// What keeps `path` from being used as a folder ("does not exist"); empty: nothing.
std::string folder_problem(const std::filesystem::path& path);

void read_server(TableReader& root, const ConfigContext& context, ServerConfig& server);
void read_log(TableReader& root, const ConfigContext& context, LogConfig& log);
void read_timeouts(TableReader& root, const ConfigContext& context, TimeoutConfig& timeouts);
void read_limits(TableReader& root, const ConfigContext& context, LimitConfig& limits);
void read_listen(TableReader& root, const ConfigContext& context, std::vector<ListenConfig>& listen);
void read_sites(TableReader& root, const ConfigContext& context, std::vector<SiteConfig>& sites);
void read_dicts(TableReader& root, const ConfigContext& context, std::vector<DictConfig>& dicts);

// One [[site.route]] (config_route.cpp). The path is empty when the file's is missing or wrong.
RouteConfig read_route(const TomlValue& route, const ConfigContext& context);

// The `module` of one (config_module.cpp).
ModuleConfig read_module(const TomlValue& table, const ConfigContext& context);

// What workers = "auto" means: the CPUs this process may run on, at least 2 (one blocked or dead worker must
// not stop the server) and at most kMaxWorkersPerGeneration.
std::uint32_t automatic_workers();

}  // namespace baton
