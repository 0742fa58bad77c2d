// baton: the server. See `baton --help`, conf/baton.toml and docs/.
#include <fcntl.h>
#include <spdlog/spdlog.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <cstdio>
#include <filesystem>
#include <optional>
#include <stdexcept>
#include <string>

#include "common/config.h"
#include "common/crash_point.h"
#include "common/log.h"
#include "common/version.h"
#include "master/master.h"
#include "master/program.h"
#include "master/upgrade_probe.h"
#include "master/upgrade_state.h"

namespace {

constexpr int kUsage = 2;

// Closed by whoever started us, the numbers 0 to 2 would be given to sockets, and what is printed to a
// client.
void occupy_standard_descriptors() {
  int fd = -1;
  do fd = ::open("/dev/null", O_RDWR);
  while (fd >= 0 && fd <= STDERR_FILENO);
  if (fd >= 0) ::close(fd);
}

int check_only(const baton::Config& config) {
  std::size_t routes = 0;
  for (const auto& site : config.sites) routes += site.routes.size();
  std::printf("%s: the configuration is good: %zu listeners, %zu sites, %zu routes, %u workers\n",
              config.file.c_str(), config.listen.size(), config.sites.size(), routes, config.server.workers);
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  occupy_standard_descriptors();
  CLI::App app{
      "A prefork HTTP server in which connections outlive the workers that serve them.\n"
      "Signals: HUP reload, TERM graceful stop, INT fast stop, USR1 reopen logs, USR2 upgrade."};
  std::string file = "/etc/baton/baton.toml";
  bool test = false;
  app.add_option("-c,--config", file, "Configuration file")->capture_default_str();
  app.add_flag("-t,--test", test, "Check the configuration and exit; binds nothing");
  // For a master to ask the program that would replace it.
  bool probe = false;
  app.add_flag("--upgrade-probe", probe)->group("");
  app.set_version_flag("-V,--version", std::string("baton ") + baton::kVersion);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : kUsage;
  }

  std::optional<baton::UpgradeState> inherited;
  try {
    inherited = baton::inherited_state();
  } catch (const std::exception& error) {
    std::fprintf(stderr, "baton: the upgrade has failed, all connections are lost: %s\n", error.what());
    return 1;
  }
  const bool upgraded = inherited.has_value();
  if (upgraded) baton::install_logger(inherited->error_log_fd, "info");
  const auto failed = [upgraded](const std::string& why) {
    if (upgraded) {
      spdlog::critical("the upgrade has failed, all connections are lost: {}", why);
    } else {
      std::fprintf(stderr, "%s\n", why.c_str());
    }
    return 1;
  };
  baton::ConfigResult loaded = baton::load_config(file);
  for (const baton::ConfigError& error : loaded.errors) failed(error.to_string());
  if (!loaded.config) return 1;
  if (test) return check_only(*loaded.config);
  baton::open_crash_points();
  const std::string absolute = std::filesystem::absolute(file).lexically_normal().string();
  if (probe) return baton::answer_probe(*loaded.config, absolute);
  try {
    return baton::Master(std::move(*loaded.config), absolute, baton::program_path(argv[0]),
                         std::move(inherited))
        .run();
  } catch (const std::exception& error) {
    return failed((upgraded ? "" : "baton: ") + std::string(error.what()));
  }
}
