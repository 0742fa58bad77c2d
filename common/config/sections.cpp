#include "common/config/sections.h"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <limits>
#include <map>
#include <system_error>

#include "common/base/address_overlap.h"
#include "common/base/own_file.h"
#include "common/config/identity.h"

namespace baton {
namespace {

namespace fs = std::filesystem;

constexpr std::int64_t kKilo = 1 << 10;
constexpr std::int64_t kMega = 1 << 20;
constexpr std::int64_t kGiga = 1 << 30;
constexpr std::int64_t kTera = std::int64_t{1} << 40;

template <typename Target, typename Source>
void assign(Target& target, const std::optional<Source>& source) {
  if (source) target = static_cast<Target>(*source);
}

template <typename Target>
void assign_number(Target& target, const std::optional<Located<std::int64_t>>& source) {
  if (source) target = static_cast<Target>(source->value);
}

// Checks a name that appears unchanged in messages, paths and columns.
void check_name(TableReader& reader, const Located<std::string>& name) {
  const auto allowed = [](char c) {
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '.' ||
           c == '_' || c == '-';
  };
  if (!name.value.empty() && name.value.size() <= 63 && std::ranges::all_of(name.value, allowed)) return;
  reader.fail(name.at, "'name' is '" + name.value + "'; expected 1 to 63 letters, digits, '.', '_' or '-'");
}

// Reads a size, or "auto", which is returned as nothing.
std::optional<std::uint64_t> size_or_auto(TableReader& reader, std::string_view key) {
  constexpr std::int64_t kPeta = std::int64_t{1} << 50;
  const TomlValue* value = reader.find(key);
  if (value != nullptr && value->string() != nullptr && *value->string() == "auto") return std::nullopt;
  const auto size = reader.size(key, 0, kPeta);
  return size ? std::optional(static_cast<std::uint64_t>(*size)) : std::nullopt;
}

// Reads "stderr" or a similar word, or the path of a log file. `words`: the words that this key accepts.
std::string read_log_target(TableReader& reader, const ConfigContext& context, std::string_view key,
                            std::initializer_list<std::string_view> words, std::string fallback) {
  constexpr std::array<std::string_view, 4> kReserved{"off", "none", "stdout", "stderr"};
  const auto target = reader.string(key);
  if (!target) return fallback;
  if (std::ranges::find(words, target->value) != words.end()) return target->value;
  if (std::ranges::find(kReserved, target->value) == kReserved.end()) {
    return context.resolve_new_file(*target, key);
  }
  std::string expected;
  for (const std::string_view word : words) expected += "\"" + std::string{word} + "\", ";
  reader.fail(target->at, "'" + std::string{key} + "' is '" + target->value + "'; expected " + expected +
                              "or a path (./" + target->value + " for a file of that name)");
  return fallback;
}

std::optional<Address> read_address(const Located<std::string>& written, const ConfigContext& context) {
  constexpr std::string_view kUnix = "unix:";
  std::string text = written.value;
  if (text.starts_with(kUnix) && text.size() > kUnix.size()) {
    const std::string path = context.resolve_new_file({text.substr(kUnix.size()), written.at}, "address");
    const std::string obstacle = obstacle_at(path);
    if (!obstacle.empty() && !fs::is_directory(path)) {
      context.errors.add(written.at, "'address': " + path + " is " + obstacle +
                                         ", not a socket: remove it or choose another path");
    }
    text = "unix:" + path;
  }
  std::string why;
  auto address = Address::parse(text, &why);
  if (!address) context.errors.add(written.at, "bad address: " + why);
  if (address && is_mapped_ipv4(*address)) {
    context.errors.add(written.at,
                       "'" + text + "' is an IPv4 address in IPv6 form; write it as an IPv4 address");
  }
  return address;
}

std::string join(const fs::path& folder, const fs::path& path) {
  fs::path joined = (folder / path).lexically_normal();
  if (!joined.has_filename() && joined.has_relative_path()) joined = joined.parent_path();
  return joined.string();
}

}  // namespace

std::string ConfigContext::resolve(std::string_view path) const {
  return join(folder, path);
}

std::string ConfigContext::resolve_by_name(std::string_view path) const {
  // After a link, ".." is not the folder that precedes the link in the name.
  const fs::path relative = fs::path{path}.lexically_normal();
  const bool leaves = !relative.empty() && *relative.begin() == "..";
  return join(leaves ? folder : named_folder, path);
}

std::string ConfigContext::resolve_new_file(const Located<std::string>& path, std::string_view what) const {
  if (path.value.empty()) {
    errors.add(path.at, "'" + std::string{what} + "' is empty; expected a path");
    return {};
  }
  std::string resolved = resolve(path.value);
  const fs::path parent = fs::path{resolved}.parent_path();
  if (folder_problem(resolved).empty()) {
    errors.add(path.at,
               "'" + std::string{what} + "': " + resolved + " is a folder; expected the path of a file");
  } else if (const std::string problem = folder_problem(parent);
             !problem.empty() && !(geteuid() == 0 && is_run_folder(parent.string()))) {
    errors.add(path.at, "'" + std::string{what} + "': the folder " + parent.string() + " " + problem);
  }
  return resolved;
}

std::string folder_problem(const fs::path& path) {
  std::error_code error;
  const fs::file_status status = fs::status(path, error);
  if (fs::is_directory(status)) return {};
  if (status.type() == fs::file_type::not_found) return "does not exist";
  return error ? "cannot be used: " + error.message() : "is not a folder";
}

std::string ConfigContext::existing_file(const Located<std::string>& path, std::string_view key,
                                         std::string_view what) const {
  const auto fail = [&](const std::string& why) { errors.add(path.at, "'" + std::string{key} + "'" + why); };
  if (path.value.empty()) {
    fail(" is empty; expected the path of a file");
    return {};
  }
  std::string file = resolve_by_name(path.value);
  std::error_code error;
  const fs::file_status status = fs::status(file, error);
  if (status.type() == fs::file_type::not_found) {
    fail(": " + std::string{what} + " " + file + " does not exist");
  } else if (!error && !fs::is_regular_file(status)) {
    fail(": " + std::string{what} + " " + file + " is not a file");
  }
  return file;
}

void read_server(TableReader& root, const ConfigContext& context, ServerConfig& server) {
  static const TomlValue kNone{TomlValue::Table{}, {}};
  server.workers = automatic_workers();
  const TomlValue* table = root.table("server");
  TableReader reader{table != nullptr ? *table : kNone, "[server]", context.errors};
  if (auto name = reader.string("name")) {
    check_name(reader, *name);
    server.name = std::move(name->value);
  }
  assign(server.workers, reader.integer_or_auto("workers", 1, kMaxWorkersPerGeneration));
  assign_number(server.max_connections, reader.integer("max_connections", 1, kMaxConnections));
  read_identity(reader, server);
  if (const auto pid_file = reader.string("pid_file"); pid_file && !pid_file->value.empty()) {
    server.pid_file = context.resolve_new_file(*pid_file, "pid_file");
  }
  assign(server.shutdown_timeout, reader.duration("shutdown_timeout"));
  if (const auto spool_dir = reader.string("spool_dir")) {
    server.spool_dir = context.resolve(spool_dir->value);
    if (const std::string problem = folder_problem(server.spool_dir); !problem.empty())
      reader.fail(spool_dir->at, "'spool_dir': the folder " + server.spool_dir + " " + problem);
  }
  reader.finish();
}

void read_log(TableReader& root, const ConfigContext& context, LogConfig& log) {
  constexpr std::array<std::string_view, 5> kLevels{"trace", "debug", "info", "warn", "error"};
  const TomlValue* table = root.table("log");
  if (table == nullptr) return;
  TableReader reader{*table, "[log]", context.errors};
  log.error = read_log_target(reader, context, "error", {"stderr"}, log.error);
  if (const auto level = reader.one_of("level", {"trace", "debug", "info", "warn", "error"})) {
    log.level = kLevels[*level];
  }
  log.access = read_log_target(reader, context, "access", {"off", "stdout"}, log.access);
  assign(log.access_format, reader.one_of("access_format", {"combined", "json"}));
  reader.finish();
}

void read_timeouts(TableReader& root, const ConfigContext& context, TimeoutConfig& timeouts) {
  const TomlValue* table = root.table("timeouts");
  if (table == nullptr) return;
  TableReader reader{*table, "[timeouts]", context.errors};
  assign(timeouts.header, reader.duration("header"));
  assign(timeouts.keep_alive, reader.duration("keep_alive"));
  assign(timeouts.body, reader.duration("body"));
  assign(timeouts.send, reader.duration("send"));
  assign(timeouts.handler, reader.duration("handler"));
  reader.finish();
}

void read_limits(TableReader& root, const ConfigContext& context, LimitConfig& limits) {
  const TomlValue* table = root.table("limits");
  if (table == nullptr) return;
  TableReader reader{*table, "[limits]", context.errors};
  assign(limits.header_bytes, reader.size("header_bytes", kKilo, 64 * kKilo));
  assign_number(limits.header_fields, reader.integer("header_fields", 1, kMaxHeaderFields));
  assign(limits.body_bytes, reader.size("body_bytes", 0, kMaxBodyBytes));
  assign(limits.spool_memory, reader.size("spool_memory", 0, kGiga));
  limits.spool_memory_total = size_or_auto(reader, "spool_memory_total");
  limits.spool_disk_total = size_or_auto(reader, "spool_disk_total");
  if (const TomlValue* one = reader.find("spool_memory"); one != nullptr &&
                                                          limits.spool_memory_total.value_or(0) != 0 &&
                                                          limits.spool_memory > *limits.spool_memory_total) {
    reader.fail(one->at,
                "'spool_memory', of one body, is more than 'spool_memory_total', of all together; "
                "make it smaller, or the other larger");
  }
  assign(limits.stream_backlog, reader.size("stream_backlog", 64 * kKilo, kTera));
  assign_number(limits.requests_per_connection,
                reader.integer("requests_per_connection", 0, std::numeric_limits<std::uint32_t>::max()));
  assign_number(limits.requests_per_worker,
                reader.integer("requests_per_worker", 0, std::numeric_limits<std::int64_t>::max()));
  const auto memory = reader.size("worker_memory", 0, kTera);
  if (memory && *memory != 0 && *memory < kMega) {
    // A worker needs more than that to start, so it would be replaced for ever.
    reader.fail(reader.find("worker_memory")->at, "'worker_memory' is " + std::to_string(*memory) +
                                                      " bytes; expected at least 1M, or 0 for no limit");
  }
  assign(limits.worker_memory, memory);
  assign_number(limits.connections_per_address,
                reader.integer("connections_per_address", 0, kMaxConnections));
  if (const auto most = reader.integer_or_auto("module_workers", 1, kMaxWorkersPerGeneration))
    limits.module_workers = static_cast<std::uint32_t>(*most);
  assign_number(limits.retries, reader.integer("retries", 0, kMaxRetries));
  reader.finish();
}

namespace {

// Two listeners cannot share an address, and the address of one interface cannot stand beside the address
// of all.
void check_overlap(const std::vector<ListenConfig>& others, const ListenConfig& entry, SourcePosition at,
                   const ConfigContext& context) {
  for (const ListenConfig& other : others) {
    const std::string place = context.errors.place({other.line, other.column});
    if (same_address(other.address, entry.address)) {
      context.errors.add(at,
                         "'" + entry.text + "' is already listened on: " + place + " has the same address");
    } else if (covers(other.address, entry.address)) {
      context.errors.add(at, "'" + entry.text + "' is already listened on: it is a part of '" + other.text +
                                 "' at " + place + "; leave it out");
    } else if (covers(entry.address, other.address)) {
      context.errors.add(at, "'" + entry.text + "' is in part listened on already: '" + other.text + "' at " +
                                 place + " is a part of it; leave that out");
    }
  }
}

void check_tls_of(TableReader& reader, const ListenConfig& entry) {
  if (entry.tls && entry.address.is_unix()) {
    reader.fail(reader.find("tls")->at,
                "'tls' is not possible on a Unix socket; whoever connects there is on this "
                "machine: leave it out, or listen on a port");
  }
  if (entry.tls && entry.redirect_to_https) {
    reader.fail(reader.find("redirect_to_https")->at,
                "'redirect_to_https' on a listener with tls would lead to where the client already is; "
                "it belongs to a listener without tls, such as port 80");
  }
}

}  // namespace

void read_listen(TableReader& root, const ConfigContext& context, std::vector<ListenConfig>& listen) {
  for (const TomlValue* table : root.required_tables("listen")) {
    TableReader reader{*table, "[[listen]]", context.errors};
    ListenConfig entry;
    if (const auto written = reader.required_string("address")) {
      entry.text = written->value;
      entry.line = written->at.line;
      entry.column = written->at.column;
      if (const auto address = read_address(*written, context)) {
        entry.address = *address;
        check_overlap(listen, entry, written->at, context);
      }
    }
    assign_number(entry.backlog, reader.integer("backlog", 1, 65'535));
    assign_number(entry.reserve, reader.integer("reserve", 0, kMaxReserve));
    entry.tls = reader.boolean("tls").value_or(false);
    entry.redirect_to_https = reader.boolean("redirect_to_https").value_or(false);
    check_tls_of(reader, entry);
    reader.finish();
    listen.push_back(std::move(entry));
  }
}

void read_dicts(TableReader& root, const ConfigContext& context, std::vector<DictConfig>& dicts) {
  std::map<std::string, std::uint32_t> lines;  // of the names so far
  for (const TomlValue* table : root.tables("dict")) {
    TableReader reader{*table, "[[dict]]", context.errors};
    DictConfig dict;
    if (const auto name = reader.required_string("name")) {
      check_name(reader, *name);
      dict.name = name->value;
      const auto [first, added] = lines.emplace(dict.name, name->at.line);
      if (!added) {
        reader.fail(name->at, "there is already a dictionary '" + dict.name + "': line " +
                                  std::to_string(first->second) + " has the same name");
      }
    }
    if (reader.find("size") == nullptr) reader.fail(reader.at(), "[[dict]] has no 'size', which it needs");
    assign(dict.bytes, reader.size("size", DictConfig::kMinBytes, DictConfig::kMaxBytes));
    reader.finish();
    dicts.push_back(std::move(dict));
    if (dicts.size() == DictConfig::kMost + 1) {
      reader.fail(reader.at(), "this is dictionary " + std::to_string(dicts.size()) + "; expected at most " +
                                   std::to_string(DictConfig::kMost));
    }
  }
}

}  // namespace baton
