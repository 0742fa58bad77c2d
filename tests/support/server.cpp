#include "tests/support/server.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <stdexcept>

#include "common/dict/object.h"
#include "common/shared/shm_owner.h"
#include "tests/support/wait.h"

namespace baton::test {

namespace {

std::string beside_this_program(const std::string& name) {
  return (std::filesystem::read_symlink("/proc/self/exe").parent_path() / name).string();
}

std::string read_file(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}

pid_t start_program(const std::vector<std::string>& arguments, const std::string& out,
                    const std::string& err) {
  const pid_t pid = ::fork();
  if (pid != 0) return pid;
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);  // a test that dies leaves no server behind
  // A server that root starts needs a user. Here it is root, because only root can reach everything in a
  // checkout that belongs to root. What differs for other users has tests of its own, whose configurations
  // name the user.
  if (::geteuid() == 0) ::setenv("BATON_USER", "root", 0);
  // Only root could look at the open files of a server that is not dumpable. A server is dumpable where core
  // dumps are asked for; the kernel writes no core dump of this size.
  if (rlimit core{}; ::getrlimit(RLIMIT_CORE, &core) == 0 && ::geteuid() != 0) {
    core.rlim_cur = std::min<rlim_t>(1, core.rlim_max);
    ::setrlimit(RLIMIT_CORE, &core);
  }
  ::dup2(::open("/dev/null", O_RDONLY), STDIN_FILENO);
  ::dup2(::open(out.c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0644), STDOUT_FILENO);
  ::dup2(::open(err.c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0644), STDERR_FILENO);
  std::vector<char*> argv;
  for (const std::string& argument : arguments) argv.push_back(const_cast<char*>(argument.c_str()));
  argv.push_back(nullptr);
  ::execv(argv[0], argv.data());
  ::_exit(127);
}

int exit_status(int status) {
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

// If the test runs as root, servers whose configuration names no user run as root (above), and warn about it.
std::string without_warning_of_root(std::string log) {
  const std::size_t end = ::geteuid() == 0 ? log.find("runs as root: ") : std::string::npos;
  if (end == std::string::npos) return log;
  const std::size_t begin = log.rfind('\n', end) + 1;
  return log.erase(begin, log.find('\n', end) + 1 - begin);
}

}  // namespace

std::string baton_binary() {
  return beside_this_program("baton");
}
std::string batonctl_binary() {
  return beside_this_program("batonctl");
}

std::string next_baton_binary() {
  return beside_this_program("baton_next");
}
std::string other_baton_binary() {
  return beside_this_program("baton_other");
}

Finished run_program(const std::vector<std::string>& arguments) {
  const TempDir folder;
  const std::string out = (folder.path() / "out").string();
  const std::string err = (folder.path() / "err").string();
  const pid_t pid = start_program(arguments, out, err);
  int status = 0;
  if (!wait_until([&] { return ::waitpid(pid, &status, WNOHANG) == pid; })) {
    ::kill(pid, SIGKILL);
    ::waitpid(pid, &status, 0);
  }
  return {exit_status(status), read_file(out), read_file(err)};
}

Server::Server(const TempDir& folder, const std::string& config, const std::string& binary,
               const Streams& streams)
    : folder_(folder), config_file_((folder.path() / "baton.toml").string()) {
  write_config(config);
  pid_ = start_program({binary, "-c", config_file_}, (folder.path() / streams.out).string(),
                       (folder.path() / streams.err).string());
  const std::string name = Segment::name_for(config_file_);
  bool ended = false;
  const bool serving = wait_until([&] {
    int status = 0;
    if (::waitpid(pid_, &status, WNOHANG) == pid_) {
      ended = true;
      return true;
    }
    try {
      // An earlier server of this folder that was killed may have left its segment.
      if (!segment_ || segment_->header().master_pid.load() != pid_)
        segment_ = std::make_unique<Segment>(Segment::attach(name, users_of_file(config_file_)));
      return segment_->header().master_pid.load() == pid_ &&
             segment_->header().state.load() == MasterState::kServing;
    } catch (const std::runtime_error&) {
      segment_.reset();
      return false;
    }
  });
  if (ended) pid_ = -1;
  if (ended || !serving) throw std::runtime_error("the server did not start: " + log());
}

Server::~Server() {
  int status = 0;
  if (segment_) {  // a master that a test has killed has not removed it
    segment_->unlink();
    remove_dicts_of(segment_->name());
  }
  if (pid_ > 0) ::kill(pid_, SIGINT);
  if (pid_ > 0 && !wait_until([&] { return ::waitpid(pid_, &status, WNOHANG) == pid_; })) {
    ::kill(pid_, SIGKILL);
    ::waitpid(pid_, &status, 0);
  }
  // A worker that a sanitizer ends is replaced, so a test could pass in spite of the report.
  const std::string text = log();
  const bool reported =
      text.find("runtime error:") != std::string::npos || text.find("Sanitizer") != std::string::npos;
  if (reported) ADD_FAILURE() << text;
}

void Server::write_config(const std::string& config) const {
  std::string whole = config + "\n";
  if (config.find("[[listen]]") == std::string::npos) whole += "[[listen]]\naddress = \"127.0.0.1:0\"\n";
  // On a slow machine, too, an idle client of a test must not be cut off.
  if (config.find("[timeouts]") == std::string::npos)
    whole += "[timeouts]\nheader = \"10m\"\nkeep_alive = \"10m\"\n";
  static_cast<void>(folder_.write("baton.toml", whole));
}

std::uint16_t Server::port(std::size_t listener) const {
  const std::string text = header().listeners[listener];
  return static_cast<std::uint16_t>(std::stoul(text.substr(text.rfind(':') + 1)));
}

std::string Server::log() const {
  return without_warning_of_root(folder_.read("stderr.txt"));
}

std::string Server::host(std::size_t listener) const {
  const std::string text = header().listeners[listener];
  if (text.starts_with("[")) return "::1";
  const std::string host = text.substr(0, text.rfind(':'));
  return host == "0.0.0.0" || host == "*" ? "127.0.0.1" : host;
}

Client Server::connect(std::size_t listener) const {
  const std::string text = header().listeners[listener];
  if (text.starts_with("unix:")) return Client::connect_unix(text.substr(5));
  Client client = Client::connect_tcp(port(listener), host(listener));
  const int fd = header().listener_fds[listener];
  const bool tls = segment_->connections().claim(fd).role == SlotRole::kTlsListener;
  return tls ? std::move(client).over_tls() : std::move(client);
}

std::vector<pid_t> Server::workers() const {
  return ready(ProcessRole::kWorker);
}

std::vector<pid_t> Server::keyholders() const {
  return ready(ProcessRole::kKeyholder);
}

std::vector<pid_t> Server::ready(ProcessRole role) const {
  std::vector<pid_t> pids;
  for (const WorkerEntry& entry : segment_->scoreboard()) {
    if (entry.role.load() != role) continue;
    if (entry.state.load() == WorkerState::kReady && entry.generation.load() == header().generation.load()) {
      pids.push_back(entry.pid.load());
    }
  }
  return pids;
}

std::uint64_t Server::total(Counters::Counter Counters::*counter) const {
  std::uint64_t sum = (header().retired.*counter).load();
  for (const WorkerEntry& entry : segment_->scoreboard()) sum += (entry.counters.*counter).load();
  return sum;
}

int Server::only_connection() const {
  int found = -1;
  for (int fd = 0; fd <= header().highest_fd.load(); ++fd) {
    const SlotState state = segment_->connections().claim(fd).state;
    if (state == SlotState::kFree || state == SlotState::kListener) continue;
    if (found >= 0) throw std::runtime_error("there is more than one connection");
    found = fd;
  }
  return found;
}

int Server::connections_in(SlotState state) const {
  int count = 0;
  for (int fd = 0; fd <= header().highest_fd.load(); ++fd) {
    if (segment_->connections().claim(fd).state == state) ++count;
  }
  return count;
}

void Server::signal(int number) const {
  ::kill(pid_, number);
}

Finished Server::reload(const std::string& config) const {
  write_config(config);
  return ctl({"reload"});
}

Finished Server::ctl(std::vector<std::string> arguments) const {
  arguments.insert(arguments.begin(), {batonctl_binary(), "-c", config_file_});
  return run_program(arguments);
}

int Server::wait() {
  int status = 0;
  const bool ended = wait_until([&] { return ::waitpid(pid_, &status, WNOHANG) == pid_; });
  if (!ended) throw std::runtime_error("the server does not end: " + log());
  pid_ = -1;
  return exit_status(status);
}

int Server::stop() {
  signal(SIGTERM);
  return wait();
}

std::string unprivileged_user() {
  return ::geteuid() == 0 ? "user = \"nobody\"\n" : "";
}

std::string static_config(const std::string& root, const std::string& route_options,
                          const std::string& settings) {
  return "[server]\nworkers = 2\n" + settings +
         "\n[[site]]\n[[site.route]]\npath = \"/\"\nstatic = { root = \"" + root + "\"" + route_options +
         " }\n";
}

}  // namespace baton::test
