// baton: the server. See `baton --help`, conf/baton.toml and docs/.
#include <fcntl.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <optional>
#include <stdexcept>
#include <string>
#include <vector>

#include "common/base/crash_point.h"
#include "common/base/log.h"
#include "common/base/log_lines.h"
#include "common/base/privileges.h"
#include "common/base/version.h"
#include "common/base/without.h"
#include "common/config/config.h"
#include "master/certificate_check.h"
#include "master/exit_status.h"
#include "master/log_files.h"
#include "master/master.h"
#include "master/module_check.h"
#include "master/program.h"
#include "master/rights.h"
#include "master/upgrade_probe.h"
#include "master/upgrade_state.h"

namespace {

// Descriptors that the process that started us left open would be in the table that all workers share, and
// pass for clients'. After an upgrade the open descriptors are what the server lives on.
void close_inherited_descriptors() {
  if (std::getenv(baton::kUpgradeVariable) != nullptr) return;
  ::close_range(STDERR_FILENO + 1, ~0U, 0);
}

// If the process that started us closed 0 to 2, sockets would get these numbers, and clients would get what
// is printed.
void occupy_standard_descriptors() {
  int fd = -1;
  do fd = ::open("/dev/null", O_RDWR);
  while (fd >= 0 && fd <= STDERR_FILENO);
  if (fd >= 0) ::close(fd);
}

int check_only(const baton::Config& config, const std::string& file) {
  baton::become_user(config.server.account);
  baton::restrict_process();
  std::vector<baton::ConfigError> errors = baton::check_rights(config, file);
  const baton::CertificateReport certificates = baton::check_certificates(config);
  for (const std::string& line : baton::warning_lines(certificates))
    std::fprintf(stderr, "%s\n", line.c_str());
  errors.insert(errors.end(), certificates.errors.begin(), certificates.errors.end());
  if (errors.empty()) errors = baton::check_modules(config);
  if (!errors.empty()) {
    std::fprintf(stderr, "%s\n", baton::join_errors(errors).c_str());
    return baton::ExitStatus::kCannotStart;
  }
  std::size_t routes = 0;
  for (const auto& site : config.sites) routes += site.routes.size();
  std::printf("%s: the configuration is good: %zu listeners, %zu sites, %zu routes, %u workers\n",
              config.file.c_str(), config.listen.size(), config.sites.size(), routes, config.server.workers);
  return 0;
}

// Says why there is no server: on standard error; after an upgrade in the log, where the operator looks.
class Complaint {
 public:
  void belongs_into(const std::string& log) { log_ = log; }

  void say(const std::string& why) const {
    if (log_.empty()) return print(why);
    try {  // opens the log again: Master has closed its own if its constructor failed
      const baton::ErrorLogFile log(log_);
      baton::install_logger(log.fd(), "info");
      baton::log::critical("the upgrade has failed, all connections are lost: {}", why);
    } catch (const std::runtime_error& error) {
      print(why + '\n' + error.what());
    }
  }

 private:
  static void print(const std::string& text) {
    baton::LogLosses ignored;
    baton::write_lines(STDERR_FILENO, text + '\n', ignored);
  }

  std::string log_;
};

void refuse_if(const std::string& problems) {
  if (!problems.empty()) throw std::runtime_error(problems);
}

struct Options {
  std::string file = "/etc/baton/baton.toml";
  bool test = false;
  bool probe = false;
  std::string user;
};

int run(const Options& options, const std::string& program) {
  Complaint complaint;
  try {
    baton::without({});  // throws now, before anything starts, if $BATON_WITHOUT names an unknown ability
    auto inherited = baton::inherited_state();
    if (inherited) complaint.belongs_into(inherited->error_log);
    baton::ConfigResult loaded = baton::load_config(options.file);
    for (const baton::ConfigError& error : loaded.errors) complaint.say(error.to_string());
    if (!loaded.config) return baton::ExitStatus::kCannotStart;
    const std::string absolute = std::filesystem::absolute(options.file).lexically_normal().string();
    if (options.probe) return baton::answer_probe(*loaded.config, absolute);
    refuse_if(baton::join_errors(baton::check_identity(*loaded.config)));
    if (options.test) return check_only(*loaded.config, absolute);
    if (!inherited) {
      baton::leave_root(*loaded.config, absolute);
      refuse_if(baton::problems_with_rights(*loaded.config, absolute));
    }
    baton::restrict_process();
    baton::open_crash_points();
    return baton::Master(std::move(*loaded.config), absolute, program, std::move(inherited)).run();
  } catch (const std::exception& error) {
    complaint.say(std::string("baton: ") + error.what());
    return baton::ExitStatus::kCannotStart;
  }
}

}  // namespace

int main(int argc, char** argv) {
  close_inherited_descriptors();
  occupy_standard_descriptors();
  CLI::App app{
      "A prefork HTTP server in which connections outlive the workers that serve them.\n"
      "Signals: HUP reload, TERM graceful stop, INT fast stop, USR1 reopen logs, USR2 upgrade."};
  Options options;
  app.add_option("-c,--config", options.file, "Configuration file")->capture_default_str();
  app.add_flag("-t,--test", options.test, "Check the configuration and exit; binds nothing");
  app.add_option("--user", options.user,
                 "Who to run as, started as root, where the configuration does not say");
  // A master calls the program that would replace it with this flag.
  app.add_flag("--upgrade-probe", options.probe)->group("");
  app.set_version_flag("-V,--version", std::string("baton ") + baton::kVersion);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : baton::ExitStatus::kUsage;
  }

  if (!options.user.empty()) ::setenv(baton::kUserVariable, options.user.c_str(), 1);
  return run(options, baton::program_path(argv[0]));
}
