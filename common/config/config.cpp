#include "common/config/config.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <system_error>
#include <utility>

#include "common/base/address_overlap.h"
#include "common/base/unique_fd.h"
#include "common/config/reader.h"
#include "common/config/sections.h"
#include "common/config/text.h"
#include "common/config/toml_document.h"

namespace baton {
namespace {

constexpr std::size_t kMaxFileBytes = 1 << 20;

std::string error_text(int error) {
  return std::generic_category().message(error);
}

struct FileText {
  std::string text;
  std::string problem;  // why there is no text; empty: there is a text
};

FileText read_text(const std::string& file) {
  // O_NONBLOCK: a FIFO in the file's place must not make a running master wait for a writer.
  const UniqueFd fd{open(file.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK)};
  if (!fd) return {{}, "cannot be opened: " + error_text(errno)};
  struct stat status {};
  if (fstat(fd.get(), &status) != 0) return {{}, "cannot be examined: " + error_text(errno)};
  if (!S_ISREG(status.st_mode)) return {{}, "is not a regular file"};
  std::string text(kMaxFileBytes + 1, '\0');
  std::size_t used = 0;
  while (used < text.size()) {
    const ssize_t n = read(fd.get(), text.data() + used, text.size() - used);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return {{}, "cannot be read: " + error_text(errno)};
    if (n == 0) break;
    used += static_cast<std::size_t>(n);
  }
  if (used > kMaxFileBytes) return {{}, "is larger than 1 MiB"};
  text.resize(used);
  return {std::move(text), {}};
}

// Absolute, and without symbolic links as far as the path exists. Returns the text itself if the system
// refuses.
std::filesystem::path canonical(const std::string& file) {
  std::error_code error;
  std::filesystem::path path =
      std::filesystem::weakly_canonical(std::filesystem::absolute(file, error), error);
  return path.empty() ? std::filesystem::path{file} : path;
}

// The folder of `file` under the name as given, because a folder of that name may be a link that is pointed
// elsewhere later. `folder` is the same folder without links. It is returned where a ".." makes the two
// differ.
std::filesystem::path named_folder(const std::string& file, const std::filesystem::path& folder) {
  std::error_code error;
  std::filesystem::path path = std::filesystem::absolute(file, error);
  for (int links = 0; links < 8 && std::filesystem::is_symlink(path, error); ++links)
    path = path.parent_path() / std::filesystem::read_symlink(path, error);
  path = path.lexically_normal().parent_path();
  return std::filesystem::equivalent(path, folder, error) ? path : folder;
}

}  // namespace

std::uint32_t most_connections(const Config& config) {
  std::uint32_t reserve = 0;
  for (const ListenConfig& listen : config.listen) reserve = std::max(reserve, listen.reserve);
  return config.server.max_connections + reserve;
}

std::uint32_t module_workers(const Config& config) {
  const std::uint32_t workers = config.server.workers;
  return std::min(config.limits.module_workers.value_or(std::max(workers, 2U) - 1), workers);
}

std::uint16_t Config::https_port() const {
  constexpr std::uint16_t kUsual = 443;
  std::optional<std::uint16_t> first;
  for (const ListenConfig& one : listen) {
    if (!one.tls) continue;
    if (port_of(one.address) == kUsual) return kUsual;
    if (!first) first = port_of(one.address);
  }
  return first.value_or(0);
}

std::string ConfigError::to_string() const {
  if (line == 0) return file + ": " + message;
  return file + ":" + std::to_string(line) + ":" + std::to_string(column) + ": " + message;
}

std::string join_errors(const std::vector<ConfigError>& errors) {
  std::string text;
  for (const ConfigError& error : errors) text += (text.empty() ? "" : "\n") + error.to_string();
  return text;
}

ConfigResult load_config_text(std::string_view text, const std::string& file) {
  ConfigErrors errors{file};
  Config config;
  const auto parsed = parse_toml(text);
  if (const auto* error = std::get_if<TomlSyntaxError>(&parsed)) {
    errors.add(error->at, error->message);
  } else {
    const std::filesystem::path path = canonical(file);
    const ConfigContext context{path.parent_path(), named_folder(file, path.parent_path()), errors};
    TableReader root{std::get<TomlValue>(parsed), "the file", errors};
    config.file = path.string();
    read_server(root, context, config.server);
    read_log(root, context, config.log);
    read_timeouts(root, context, config.timeouts);
    read_limits(root, context, config.limits);
    read_listen(root, context, config.listen);
    read_sites(root, context, config.sites);
    read_tls(root, context, config.tls);
    read_dicts(root, context, config.dicts);
    root.finish();
    check_tls(context, config);
  }
  ConfigResult result;
  result.errors = std::move(errors).in_file_order();
  if (result.errors.empty()) result.config = std::move(config);
  return result;
}

ConfigResult load_config(const std::string& file) {
  const FileText contents = read_text(file);
  if (contents.problem.empty()) return load_config_text(contents.text, file);
  ConfigErrors errors{file};
  errors.add({}, contents.problem);
  return {std::nullopt, std::move(errors).in_file_order()};
}

}  // namespace baton
