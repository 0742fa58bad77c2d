#include "master/certificate_check.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <nlohmann/json.hpp>
#include <stdexcept>
#include <string_view>
#include <utility>

#include "common/base/clock.h"
#include "common/base/log.h"
#include "common/base/privileges.h"
#include "common/base/unique_fd.h"
#include "common/base/units.h"
#include "master/certificate_inspector.h"

namespace baton {

namespace {

using Json = nlohmann::json;

Json to_json(const std::vector<ConfigError>& errors) {
  Json list = Json::array();
  for (const ConfigError& error : errors) list.push_back({error.line, error.column, error.message});
  return list;
}

std::string serialized(const CertificateReport& report) {
  Json certificates = Json::array();
  for (const CertificateInfo& one : report.certificates)
    certificates.push_back({one.file, one.names, one.key_type, one.not_after});
  const Json json = {{"errors", to_json(report.errors)},
                     {"warnings", to_json(report.warnings)},
                     {"certificates", std::move(certificates)}};
  // Names in certificates are whatever bytes their makers have put there.
  return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

std::vector<ConfigError> errors_of(const Json& list, const std::string& file) {
  std::vector<ConfigError> errors;
  for (const Json& one : list) {
    errors.push_back(
        {file, one.at(0).get<std::uint32_t>(), one.at(1).get<std::uint32_t>(), one.at(2).get<std::string>()});
  }
  return errors;
}

CertificateReport report_of(const std::string& text, const std::string& file) {
  const Json json = Json::parse(text);
  CertificateReport report;
  report.errors = errors_of(json.at("errors"), file);
  report.warnings = errors_of(json.at("warnings"), file);
  for (const Json& one : json.at("certificates")) {
    report.certificates.push_back({one.at(0).get<std::string>(), one.at(1).get<std::vector<std::string>>(),
                                   one.at(2).get<std::string>(), one.at(3).get<std::int64_t>()});
  }
  return report;
}

void write_all(int fd, std::string_view text) {
  while (!text.empty()) {
    const ssize_t n = ::write(fd, text.data(), text.size());
    if (n <= 0) ::_exit(1);
    text.remove_prefix(static_cast<std::size_t>(n));
  }
}

// It is a copy of the master: with descriptors of its own, which must not keep a client's connection open.
[[noreturn]] void inspect_and_end(const Config& config, int output) {
  constexpr int kOutput = STDERR_FILENO + 1;
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (output != kOutput) ::dup2(output, kOutput);
  ::close_range(kOutput + 1, ~0U, 0);
  const rlimit no_core{0, 0};
  ::setrlimit(RLIMIT_CORE, &no_core);
  ::prctl(PR_SET_DUMPABLE, 0);
  if (!drop_capabilities()) ::_exit(1);
  try {
    write_all(kOutput, serialized(inspect_certificates(config)));
  } catch (const std::exception& error) {
    const CertificateReport failed{{{config.file, 0, 0, error.what()}}, {}, {}};
    write_all(kOutput, serialized(failed));
  }
  ::_exit(0);
}

// Reads what the process says, to its end. False: it took too long.
bool read_to_end(int fd, std::chrono::milliseconds patience, std::string& text) {
  const std::uint64_t until_ns = monotonic_ns() + static_cast<std::uint64_t>(patience.count()) * 1'000'000;
  while (true) {
    const std::uint64_t now_ns = monotonic_ns();
    if (now_ns >= until_ns) return false;
    pollfd readable{fd, POLLIN, 0};
    if (::poll(&readable, 1, static_cast<int>((until_ns - now_ns) / 1'000'000) + 1) <= 0) continue;
    char chunk[4096];
    const ssize_t n = ::read(fd, chunk, sizeof chunk);
    if (n == 0) return true;
    if (n > 0) text.append(chunk, static_cast<std::size_t>(n));
  }
}

bool has_files(const Config& config) {
  return std::any_of(config.sites.begin(), config.sites.end(), [](const SiteConfig& site) {
    return !site.certificates.empty() || !site.client_ca.empty();
  });
}

}  // namespace

CertificateReport check_certificates(const Config& config, std::chrono::milliseconds patience) {
  if (!has_files(config)) return {};
  const auto failed = [&config](const std::string& why) {
    return CertificateReport{{{config.file, 0, 0, "the certificates cannot be checked: " + why}}, {}, {}};
  };
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) return failed(std::string("pipe: ") + std::strerror(errno));
  const UniqueFd output(ends[0]);
  UniqueFd input(ends[1]);
  const pid_t pid = ::fork();
  if (pid == 0) inspect_and_end(config, input.get());
  if (pid < 0) return failed(std::string("fork: ") + std::strerror(errno));
  input.reset();
  std::string text;
  const bool ended = read_to_end(output.get(), patience, text);
  if (!ended) ::kill(pid, SIGKILL);
  int status = 0;
  while (::waitpid(pid, &status, 0) < 0 && errno == EINTR) {
  }
  if (!ended) {
    return failed("reading their files takes more than " +
                  format_duration(static_cast<double>(patience.count()) / 1000));
  }
  try {
    return report_of(text, config.file);
  } catch (const Json::exception&) {
    return failed(WIFSIGNALED(status)
                      ? "the process that reads them is killed by signal " + std::to_string(WTERMSIG(status))
                      : "the process that reads them says nothing");
  }
}

std::vector<CertificateInfo> good_certificates(const Config& config) {
  CertificateReport report = check_certificates(config);
  if (!report.errors.empty()) throw std::runtime_error(join_errors(report.errors));
  for (const ConfigError& warning : report.warnings) log::warn("{}", warning.to_string());
  return std::move(report.certificates);
}

std::vector<std::string> warning_lines(const CertificateReport& report) {
  std::vector<std::string> lines;
  for (const ConfigError& warning : report.warnings) {
    ConfigError marked = warning;
    marked.message.insert(0, "warning: ");
    lines.push_back(marked.to_string());
  }
  return lines;
}

}  // namespace baton
