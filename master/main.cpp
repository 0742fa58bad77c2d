// baton: the server. See `baton --help`, conf/baton.toml and docs/.
#include <fcntl.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <cstdio>
#include <filesystem>
#include <stdexcept>
#include <string>

#include "common/config.h"
#include "common/crash_point.h"
#include "common/version.h"
#include "master/exit_status.h"
#include "master/master.h"

namespace {

// What whoever started us left open would be in the table that all workers share, and be taken for a
// client's.
void close_inherited_descriptors() {
  ::close_range(STDERR_FILENO + 1, ~0U, 0);
}

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
  close_inherited_descriptors();
  occupy_standard_descriptors();
  CLI::App app{
      "A prefork HTTP server in which connections outlive the workers that serve them.\n"
      "Signals: HUP reload, TERM graceful stop, INT fast stop, USR1 reopen logs."};
  std::string file = "/etc/baton/baton.toml";
  bool test = false;
  app.add_option("-c,--config", file, "Configuration file")->capture_default_str();
  app.add_flag("-t,--test", test, "Check the configuration and exit; binds nothing");
  app.set_version_flag("-V,--version", std::string("baton ") + baton::kVersion);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : baton::ExitStatus::kUsage;
  }

  baton::ConfigResult loaded = baton::load_config(file);
  for (const baton::ConfigError& error : loaded.errors)
    std::fprintf(stderr, "%s\n", error.to_string().c_str());
  if (!loaded.config) return baton::ExitStatus::kCannotStart;
  if (test) return check_only(*loaded.config);
  baton::open_crash_points();
  try {
    const std::string absolute = std::filesystem::absolute(file).lexically_normal().string();
    return baton::Master(std::move(*loaded.config), absolute).run();
  } catch (const std::exception& error) {
    std::fprintf(stderr, "baton: %s\n", error.what());
    return baton::ExitStatus::kCannotStart;
  }
}
