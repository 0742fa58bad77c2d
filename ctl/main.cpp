// batonctl: looks at a running server and tells it what to do.

#include <CLI/CLI.hpp>
#include <cmath>
#include <optional>
#include <string>

#include "common/base/version.h"
#include "ctl/commands.h"

namespace {

using baton::ctl::Subject;
using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr double kLongestWatch = 86'400;

// Reads the text of --watch; without a text (then CLI11 passes "true") it means every second. Returns nothing
// if it is not a usable time.
std::optional<milliseconds> watch_interval(const std::string& text) {
  if (text.empty() || text == "true") return seconds(1);
  double value = 0;
  if (!CLI::detail::lexical_cast(text, value) || !(value >= 0.05 && value <= kLongestWatch)) {
    return std::nullopt;
  }
  return milliseconds(std::llround(value * 1000));
}

struct Arguments {
  std::string config_file = baton::ctl::default_config_file();
  bool json = false;
  std::string watch;
  bool fast = false;
  unsigned patience = 60;
};

CLI::App* add_view(CLI::App& app, Arguments& arguments, const char* name, const char* what) {
  CLI::App* view = app.add_subcommand(name, what);
  view->add_flag("--json", arguments.json, "Print JSON; with --watch one document a line");
  view->add_option("--watch", arguments.watch, "Show it again every SECONDS (1), with rates per second")
      ->expected(0, 1)
      ->type_name("[SECONDS]")
      ->check([](const std::string& text) {
        return watch_interval(text) ? std::string()
                                    : "expected seconds from 0.05 to 86400, not '" + text + "'";
      });
  return view;
}

int show(Subject subject, const CLI::App& view, const Arguments& arguments) {
  baton::ctl::ShowOptions options{arguments.config_file, arguments.json, std::nullopt};
  if (view.count("--watch") != 0) options.watch = watch_interval(arguments.watch);
  return baton::ctl::show(subject, options);
}

}  // namespace

int main(int argc, char** argv) {
  Arguments arguments;
  CLI::App app("Looks at a running baton server and tells it what to do.", "batonctl");
  app.set_version_flag("-V,--version", std::string("batonctl ") + baton::kVersion);
  app.add_option("-c,--config", arguments.config_file,
                 "The configuration file that the server was started with\n"
                 "(default: $BATON_CONFIG, conf/baton.toml or /etc/baton/baton.toml)")
      ->type_name("FILE");
  app.require_subcommand(1);
  app.fallthrough();  // accepts -c after the command, too
  app.footer("Exit status: 0 done; 1 the server refused or is not running; 2 wrong usage.");

  const CLI::App* stats = add_view(app, arguments, "stats", "Totals and what each worker has done");
  const CLI::App* workers = add_view(app, arguments, "workers", "What each worker is doing now, since when");
  const CLI::App* connections = add_view(app, arguments, "connections", "Every live connection");
  const CLI::App* reload = app.add_subcommand("reload", "Take up the changed configuration; waits, reports");
  const CLI::App* upgrade =
      app.add_subcommand("upgrade", "Go on with the program file as it is now; waits, reports");
  CLI::App* stop = app.add_subcommand("stop", "Stop after the requests in hand; waits until it has ended");
  stop->add_flag("--fast", arguments.fast, "Stop at once");
  stop->add_option("--timeout", arguments.patience, "How long to wait for the end (60)")
      ->type_name("SECONDS")
      ->check(CLI::Range(1, 86'400));
  const CLI::App* reopen = app.add_subcommand("reopen", "Open the log files again, after they were rotated");

  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? baton::ctl::kExitOk : baton::ctl::kExitUsage;
  }
  if (stats->parsed()) return show(Subject::kStats, *stats, arguments);
  if (workers->parsed()) return show(Subject::kWorkers, *workers, arguments);
  if (connections->parsed()) return show(Subject::kConnections, *connections, arguments);
  if (reload->parsed()) return baton::ctl::reload(arguments.config_file);
  if (upgrade->parsed()) return baton::ctl::upgrade(arguments.config_file);
  if (reopen->parsed()) return baton::ctl::reopen(arguments.config_file);
  const auto how = arguments.fast ? baton::ctl::Stop::kFast : baton::ctl::Stop::kGraceful;
  return baton::ctl::stop(arguments.config_file, how, seconds(arguments.patience));
}
