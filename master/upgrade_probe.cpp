#include "master/upgrade_probe.h"

#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <nlohmann/json.hpp>
#include <stdexcept>

#include "common/base/clock.h"
#include "common/base/log.h"
#include "common/base/version.h"
#include "common/shared/segment.h"
#include "master/descriptor_table.h"
#include "master/dictionaries.h"
#include "master/generation.h"
#include "master/module_check.h"
#include "master/rights.h"
#include "master/upgrade_state.h"

namespace baton {

using Json = nlohmann::json;

namespace {

constexpr std::size_t kMostOutput = std::size_t{64} * 1024;

Json to_json(const ListenConfig& listen) {
  return {{"text", listen.text},
          {"address", listen.address.to_string()},
          {"backlog", listen.backlog},
          {"line", listen.line},
          {"column", listen.column}};
}

ListenConfig listen_of(const Json& json) {
  ListenConfig listen;
  json.at("text").get_to(listen.text);
  json.at("backlog").get_to(listen.backlog);
  json.at("line").get_to(listen.line);
  json.at("column").get_to(listen.column);
  std::string why;
  const auto address = Address::parse(json.at("address").get<std::string>(), &why);
  if (!address) throw std::runtime_error("it would listen on " + listen.text + ": " + why);
  listen.address = *address;
  return listen;
}

ProbeReport report_of(const std::string& line) {
  const Json json = Json::parse(line);
  if (json.at("state_format") != UpgradeState::kFormat)
    throw std::runtime_error("it does not understand what this version hands over");
  ProbeReport report;
  json.at("version").get_to(report.version);
  json.at("workers").get_to(report.workers);
  json.at("descriptors").get_to(report.descriptors);
  json.at("file").get_to(report.file);
  for (const Json& listen : json.at("listen")) report.listen.push_back(listen_of(listen));
  return report;
}

void check_all_modules(const Config& config) {
  const std::string problems = join_errors(check_modules(config));
  if (!problems.empty()) throw std::runtime_error(problems);
}

// Does everything in a start that can fail, except binding. Throws std::runtime_error.
Json rehearse(const Config& config, const std::string& config_file) {
  if (const std::string problems = problems_with_rights(config, config_file); !problems.empty())
    throw std::runtime_error(problems);
  const Generation generation(1, config, std::make_shared<LogFile>(config.log.access));
  const ErrorLogFile error_log(config.log.error);
  const Segment segment = [&] {
    try {
      return Segment::attach(Segment::name_for(config_file));
    } catch (const std::runtime_error& error) {
      throw std::runtime_error(std::string("it cannot use the server's shared memory: ") + error.what());
    }
  }();
  if (segment.header().master_pid.load() != ::getppid())
    throw std::runtime_error("--upgrade-probe is for a running server to call; see 'batonctl upgrade'");
  if (const auto problem = exceeds(config, segment.header().max_capacity)) throw std::runtime_error(*problem);
  Dictionaries::rehearse(segment, config.dicts);
  (void)good_certificates(config);
  check_all_modules(config);
  const UniqueFd next(::open("/dev/null", O_RDONLY | O_CLOEXEC));  // the lowest number not in use
  Json listen = Json::array();
  for (const ListenConfig& entry : config.listen) listen.push_back(to_json(entry));
  return {{"version", kVersion},
          {"state_format", UpgradeState::kFormat},
          {"workers", config.server.workers + (config.any_tls() ? config.tls.keyholders : 0)},
          {"descriptors", next.get()},
          {"file", config.file},
          {"listen", std::move(listen)}};
}

std::string trimmed(std::string text) {
  const std::size_t end = text.find_last_not_of(" \n");
  text.resize(end == std::string::npos ? 0 : end + 1);
  return text;
}

class SpawnActions {
 public:
  explicit SpawnActions(int output) {
    ::posix_spawn_file_actions_init(&actions_);
    ::posix_spawn_file_actions_addopen(&actions_, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
    ::posix_spawn_file_actions_adddup2(&actions_, output, STDOUT_FILENO);
    ::posix_spawn_file_actions_adddup2(&actions_, output, STDERR_FILENO);
    // All descriptors are close-on-exec, but this does not rely on it: as long as the probe had a client's
    // socket, the connection would stay open after the server has closed it.
    ::posix_spawn_file_actions_addclosefrom_np(&actions_, STDERR_FILENO + 1);
    ::posix_spawnattr_init(&attributes_);
    sigset_t set;
    ::sigemptyset(&set);
    ::posix_spawnattr_setsigmask(&attributes_, &set);
    ::sigaddset(&set, SIGPIPE);
    ::posix_spawnattr_setsigdefault(&attributes_, &set);
    ::posix_spawnattr_setflags(&attributes_, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
  }
  SpawnActions(const SpawnActions&) = delete;
  SpawnActions& operator=(const SpawnActions&) = delete;
  ~SpawnActions() {
    ::posix_spawn_file_actions_destroy(&actions_);
    ::posix_spawnattr_destroy(&attributes_);
  }

  // Returns an errno.
  int spawn(const std::vector<std::string>& arguments, pid_t& pid) const {
    std::vector<char*> argv;
    argv.reserve(arguments.size() + 1);
    for (const std::string& argument : arguments) argv.push_back(const_cast<char*>(argument.c_str()));
    argv.push_back(nullptr);
    return ::posix_spawn(&pid, argv[0], &actions_, &attributes_, argv.data(), environ);
  }

 private:
  posix_spawn_file_actions_t actions_{};
  posix_spawnattr_t attributes_{};
};

}  // namespace

int answer_probe(const Config& config, const std::string& config_file) {
  install_logger(STDERR_FILENO, "warn");
  set_log_identity("probe");
  try {
    std::printf("%s\n", rehearse(config, config_file).dump().c_str());
    return std::fflush(stdout) == 0 ? 0 : 1;
  } catch (const std::exception& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return 1;
  }
}

UpgradeProbe::UpgradeProbe(const std::string& program, const std::string& config_file)
    : give_up_ns_(monotonic_ns() + kTimeoutNs) {
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) throw std::runtime_error(std::string("pipe: ") + std::strerror(errno));
  output_ = UniqueFd(ends[0]);
  const UniqueFd input(ends[1]);
  ::fcntl(output_.get(), F_SETFL, O_NONBLOCK);
  const int error =
      SpawnActions(input.get()).spawn({program, "--upgrade-probe", "-c", config_file}, process_);
  if (error != 0) throw std::runtime_error("cannot execute " + program + ": " + std::strerror(error));
}

UpgradeProbe::~UpgradeProbe() {
  if (process_ <= 0) return;
  ::kill(process_, SIGKILL);
  ::waitpid(process_, nullptr, 0);
}

bool UpgradeProbe::look(std::uint64_t now_ns) {
  read_output();
  if (now_ns >= give_up_ns_ && !given_up_) {
    given_up_ = true;
    ::kill(process_, SIGKILL);
  }
  siginfo_t info{};
  if (::waitid(P_PID, static_cast<id_t>(process_), &info, WEXITED | WNOHANG) != 0 || info.si_pid == 0)
    return false;
  read_output();
  process_ = -1;
  judge(info.si_code, info.si_status);
  return true;
}

void UpgradeProbe::read_output() {
  char chunk[4096];
  while (output_) {
    const ssize_t n = ::read(output_.get(), chunk, sizeof chunk);
    if (n < 0 && errno == EAGAIN) return;
    if (n <= 0) return output_.reset();
    if (text_.size() < kMostOutput) text_.append(chunk, static_cast<std::size_t>(n));
  }
}

void UpgradeProbe::judge(int code, int status) {
  const std::string text = trimmed(std::move(text_));
  const std::string said = text.empty() ? "" : ": " + text;
  if (given_up_) {
    failure_ = "the new program did not answer within 30 s" + said;
  } else if (code != CLD_EXITED) {
    failure_ = "the new program was killed by signal " + std::to_string(status) + said;
  } else if (status != 0) {
    failure_ = text.empty() ? "the new program ended with status " + std::to_string(status) +
                                  " when it was asked whether it can take over"
                            : text;
  } else {
    try {
      report_ = report_of(text.substr(text.rfind('\n') + 1));
    } catch (const Json::exception&) {
      failure_ = "the new program does not answer like baton" + said;
    } catch (const std::runtime_error& error) {
      failure_ = "the new program cannot follow this one: " + std::string(error.what());
    }
  }
}

}  // namespace baton
