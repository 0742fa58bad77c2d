// One function per table of the configuration file. Each reads the keys that are present, leaves the
// default for the others, and reports every mistake. common/config/config.cpp calls them in turn.
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
  std::filesystem::path named_folder;  // the same folder, under a name that may contain links
  ConfigErrors& errors;

  // Makes `path` absolute, without "." and "..", and without a slash at its end.
  [[nodiscard]] std::string resolve(std::string_view path) const;

  // The same for files that are found by name again while the server runs. The result follows a link that
  // is switched.
  [[nodiscard]] std::string resolve_by_name(std::string_view path) const;

  // The same for a file that will be created later. Reports an empty path, a folder in its place and a
  // missing parent folder. `what` begins the message: "pid_file".
  std::string resolve_new_file(const Located<std::string>& path, std::string_view what) const;

  // resolve_by_name() for a file that has to exist. Reports an empty path, a missing file and what is not a regular
  // file; not that it cannot be looked at, which depends on the user. `what` names it: "the chain".
  std::string existing_file(const Located<std::string>& path, std::string_view key,
                            std::string_view what) const;
};

// What keeps `path` from being used as a folder, such as "does not exist". Empty: nothing does.
std::string folder_problem(const std::filesystem::path& path);

void read_server(TableReader& root, const ConfigContext& context, ServerConfig& server);
void read_log(TableReader& root, const ConfigContext& context, LogConfig& log);
void read_timeouts(TableReader& root, const ConfigContext& context, TimeoutConfig& timeouts);
void read_limits(TableReader& root, const ConfigContext& context, LimitConfig& limits);
void read_listen(TableReader& root, const ConfigContext& context, std::vector<ListenConfig>& listen);
void read_sites(TableReader& root, const ConfigContext& context, std::vector<SiteConfig>& sites);
void read_tls(TableReader& root, const ConfigContext& context, TlsConfig& tls);
void read_dicts(TableReader& root, const ConfigContext& context, std::vector<DictConfig>& dicts);

// Reads one [[site.route]] (common/config/route.cpp). Its path is empty when the file's path is missing or
// wrong.
RouteConfig read_route(const TomlValue& route, const ConfigContext& context);

// Reads what a [[site]] says of TLS (common/config/site_tls.cpp).
void read_site_tls(TableReader& reader, const ConfigContext& context, SiteConfig& site);

// Reports what listeners and sites say of TLS that does not go together. To be called last.
void check_tls(const ConfigContext& context, const Config& config);

// Reads the `module` of a route (common/config/module.cpp).
ModuleConfig read_module(const TomlValue& table, const ConfigContext& context);

// The CPUs that this process may run on; at least 1.
std::uint32_t usable_cpus();

// The number that workers = "auto" stands for: usable_cpus(). It is at least 2,
// because one blocked or dead worker must not stop the server, and at most kMaxWorkersPerGeneration.
std::uint32_t automatic_workers();

}  // namespace baton
