#include "master/module_check.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <cstring>
#include <deque>
#include <exception>
#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <utility>

#include "common/base/log.h"
#include "common/base/privileges.h"
#include "common/base/unique_fd.h"
#include "common/base/units.h"
#include "common/dict/object.h"
#include "common/dict/open_dict.h"
#include "worker/app/module_host.h"
#include "worker/route/router.h"

namespace baton {

namespace {

// Returns a configuration with this route alone, so that a fault is its module's.
Config only(const Config& config, const RouteConfig& route) {
  Config reduced = config;
  reduced.sites.assign(1, {});
  reduced.sites.front().routes.push_back(route);
  return reduced;
}

// Makes dictionaries like those of the configuration, for this process alone and of modest size. `entries`
// must outlive them.
DictSet make_dicts(const Config& config, std::deque<DictEntry>& entries) {
  constexpr std::uint64_t kMostBytes = std::uint64_t{1} << 20;
  DictSet dicts;
  for (const DictConfig& dict : config.dicts) {
    const std::string object = dict_object_name("baton-check-" + std::to_string(::getpid()), dict.name);
    boost::interprocess::mapped_region memory =
        create_dict(object, dict.name, std::min(dict.bytes, kMostBytes));
    remove_dict(object);
    DictEntry& entry = entries.emplace_back();
    std::strncpy(entry.name, dict.name.c_str(), sizeof entry.name - 1);
    dicts.push_back(std::make_shared<OpenDict>(std::move(memory), entry));
  }
  return dicts;
}

// The verdict comes first in what the checking process reports, and is all of it if the module is good. The
// exit status would not do, because a module may end the process.
constexpr char kGood = '+';
constexpr char kBad = '-';

void say(int report, char verdict, std::string_view why) {
  const std::string text = verdict + std::string(why);
  [[maybe_unused]] const ssize_t ignored = ::write(report, text.data(), text.size());
}

[[noreturn]] void run_check(const Config& config, int report) {
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  const rlimit no_core{0, 0};
  ::setrlimit(RLIMIT_CORE, &no_core);
  ::dup2(STDERR_FILENO, STDOUT_FILENO);  // the caller's output may be read by a program
  install_logger(STDERR_FILENO, "warn");
  set_log_identity("check");
  try {
    const serve::Router router(config);
    if (!drop_capabilities()) ::_exit(1);
    std::deque<DictEntry> entries;
    const DictSet dicts = make_dicts(config, entries);
    const app::ModuleHost host(config, router, dicts);
    for (const std::string& shared : host.shared_symbols()) log::warn("{}", shared);
    say(report, kGood, "");
    ::_exit(0);
  } catch (const std::exception& error) {
    say(report, kBad, error.what());
    ::_exit(1);
  }
}

// Says how the process ended badly; empty: it ended well.
std::string how_it_ended(int status, const std::string& said) {
  if (said.starts_with(kGood)) return "";
  if (said.starts_with(kBad)) return said.substr(1);
  const std::string how =
      WIFSIGNALED(status)
          ? fmt::format("is killed by signal {} (SIG{})", WTERMSIG(status), ::sigabbrev_np(WTERMSIG(status)))
          : fmt::format("ends with status {}", WEXITSTATUS(status));
  return "the process that loads it and sets it up " + how;
}

// Returns what is wrong with the module of the one route; empty: nothing.
std::string check(const Config& config, std::chrono::milliseconds patience) {
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) return std::string("pipe: ") + std::strerror(errno);
  const UniqueFd output(ends[0]);
  UniqueFd input(ends[1]);
  const pid_t pid = ::fork();
  if (pid == 0) run_check(config, input.get());
  if (pid < 0) return std::string("fork: ") + std::strerror(errno);
  input.reset();
  const UniqueFd process(static_cast<int>(::syscall(SYS_pidfd_open, pid, 0)));
  pollfd end{process.get(), POLLIN, 0};
  const bool ended = ::poll(&end, 1, static_cast<int>(patience.count())) > 0;
  if (!ended) ::kill(pid, SIGKILL);
  int status = 0;
  ::waitpid(pid, &status, 0);
  if (!ended) {
    const double seconds = static_cast<double>(patience.count()) / 1000;
    return "loading it and setting it up takes more than " + format_duration(seconds);
  }
  char said[4096];
  // The process has ended, so its whole report is in the pipe. The pipe may not be at its end: a child of the
  // module may still have it open.
  pollfd readable{output.get(), POLLIN, 0};
  const ssize_t n = ::poll(&readable, 1, 0) > 0 ? ::read(output.get(), said, sizeof said) : 0;
  return how_it_ended(status, std::string(said, n > 0 ? static_cast<std::size_t>(n) : 0));
}

}  // namespace

std::vector<ConfigError> check_modules(const Config& config, std::chrono::milliseconds patience) {
  std::vector<ConfigError> errors;
  std::set<std::string> files;
  const auto fail = [&](const std::string& text) { errors.push_back({config.file, 0, 0, text}); };
  for (const SiteConfig& site : config.sites) {
    for (const RouteConfig& route : site.routes) {
      const auto* module = std::get_if<ModuleConfig>(&route.action);
      if (module == nullptr) continue;
      files.insert(module->file);
      const std::string why = check(only(config, route), patience);
      if (why.empty()) continue;
      const bool named = why.find(module->file) != std::string::npos;
      const std::string about = named ? "" : "the module " + module->file + ": ";
      fail(fmt::format("route {}: {}{}", route.path, about, why));
    }
  }
  if (!errors.empty() || files.size() < 2) return errors;
  const std::string why = check(config, patience * static_cast<int>(files.size()));
  if (!why.empty())
    fail(fmt::format("the modules {} together, as in a worker: {}", fmt::join(files, ", "), why));
  return errors;
}

}  // namespace baton
