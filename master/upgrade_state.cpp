#include "master/upgrade_state.h"

#include <fcntl.h>
#include <linux/close_range.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <nlohmann/json.hpp>
#include <stdexcept>
#include <vector>

namespace baton {

using Json = nlohmann::json;

namespace {

constexpr int kSeals = F_SEAL_WRITE | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL;

std::vector<std::uint8_t> content_of(int fd) {
  std::vector<std::uint8_t> bytes;
  std::uint8_t chunk[4096];
  ssize_t n = 0;
  while ((n = ::pread(fd, chunk, sizeof chunk, static_cast<off_t>(bytes.size()))) > 0)
    bytes.insert(bytes.end(), chunk, chunk + n);
  return bytes;
}

Json to_json(const UpgradeState::Generation& generation) {
  Json workers = Json::array();
  for (const UpgradeState::Worker& worker : generation.workers) {
    workers.push_back({{"pid", worker.pid},
                       {"index", worker.index},
                       {"ordinal", worker.ordinal},
                       {"restarts", worker.restarts},
                       {"keyholder", worker.keyholder}});
  }
  return {{"number", generation.number},
          {"access_log", generation.access_log},
          {"access_log_fd", generation.access_log_fd},
          {"workers", std::move(workers)}};
}

UpgradeState::Generation generation_of(const Json& json) {
  UpgradeState::Generation generation;
  json.at("number").get_to(generation.number);
  json.at("access_log").get_to(generation.access_log);
  json.at("access_log_fd").get_to(generation.access_log_fd);
  for (const Json& worker : json.at("workers")) {
    generation.workers.push_back({worker.at("pid"), worker.at("index"), worker.at("ordinal"),
                                  worker.at("restarts"), worker.at("keyholder")});
  }
  return generation;
}

Json to_json(const UpgradeState::Listener& listener) {
  return {{"text", listener.text},
          {"address", listener.address},
          {"backlog", listener.backlog},
          {"fd", listener.fd},
          {"stage", static_cast<int>(listener.stage)},
          {"tls", listener.tls}};
}

UpgradeState::Listener listener_of(const Json& json) {
  const int stage = json.at("stage");
  if (stage < 0 || stage > static_cast<int>(UpgradeState::Listener::Stage::kRemoved))
    throw std::runtime_error("no such stage of a listener");
  return {json.at("text"),
          json.at("address"),
          json.at("backlog"),
          json.at("fd"),
          static_cast<UpgradeState::Listener::Stage>(stage),
          json.at("tls")};
}

UpgradeState parse(const std::vector<std::uint8_t>& bytes) {
  const Json json = Json::from_cbor(bytes);
  if (json.at("format") != UpgradeState::kFormat) throw std::runtime_error("it is of another version");
  UpgradeState state;
  json.at("version").get_to(state.version);
  json.at("begun_ns").get_to(state.begun_ns);
  json.at("epoll_fd").get_to(state.epoll_fd);
  json.at("tls_fd").get_to(state.tls_fd);
  json.at("error_log").get_to(state.error_log);
  json.at("error_log_fd").get_to(state.error_log_fd);
  json.at("pid_file").get_to(state.pid_file);
  json.at("reload_asked").get_to(state.reload_asked);
  json.at("slots").get_to(state.slots);
  json.at("entries").get_to(state.entries);
  json.at("capacity").get_to(state.capacity);
  for (const Json& listener : json.at("listeners")) state.listeners.push_back(listener_of(listener));
  for (const Json& generation : json.at("generations"))
    state.generations.push_back(generation_of(generation));
  for (const UpgradeState::Generation& generation : state.generations)
    for (const UpgradeState::Worker& worker : generation.workers)
      if (worker.pid <= 0 || worker.index >= state.entries) throw std::runtime_error("no such worker");
  return state;
}

}  // namespace

UniqueFd UpgradeState::save() const {
  Json json{{"format", kFormat},
            {"version", version},
            {"begun_ns", begun_ns},
            {"epoll_fd", epoll_fd},
            {"tls_fd", tls_fd},
            {"error_log", error_log},
            {"error_log_fd", error_log_fd},
            {"pid_file", pid_file},
            {"reload_asked", reload_asked},
            {"capacity", capacity},
            {"slots", slots},
            {"entries", entries},
            {"listeners", Json::array()},
            {"generations", Json::array()}};
  for (const Listener& listener : listeners) json["listeners"].push_back(to_json(listener));
  for (const Generation& generation : generations) json["generations"].push_back(to_json(generation));
  // Not text: paths need not be UTF-8.
  const std::vector<std::uint8_t> bytes = Json::to_cbor(json);
  UniqueFd fd(::memfd_create("baton upgrade", MFD_CLOEXEC | MFD_ALLOW_SEALING));
  if (!fd || ::pwrite(fd.get(), bytes.data(), bytes.size(), 0) != static_cast<ssize_t>(bytes.size()) ||
      ::fcntl(fd.get(), F_ADD_SEALS, kSeals) != 0) {
    throw std::runtime_error(std::string("cannot write down the state: ") + std::strerror(errno));
  }
  // Until it was sealed, every process that shares the table could write to it.
  if (content_of(fd.get()) != bytes) throw std::runtime_error("another process has written to the state");
  return fd;
}

UpgradeState UpgradeState::load(int fd) {
  if (const int seals = ::fcntl(fd, F_GET_SEALS); seals < 0 || (seals & kSeals) != kSeals)
    throw std::runtime_error("the state that was handed over is not sealed");
  try {
    return parse(content_of(fd));
  } catch (const std::exception& error) {
    throw std::runtime_error(std::string("cannot read the state that was handed over: ") + error.what());
  }
}

std::string name_of_state(int fd) {
  struct stat status {};
  if (::fstat(fd, &status) != 0) return "";
  return std::to_string(fd) + ":" + std::to_string(status.st_dev) + ":" + std::to_string(status.st_ino);
}

std::optional<UpgradeState> inherited_state() {
  const char* variable = std::getenv(kUpgradeVariable);
  if (variable == nullptr) return std::nullopt;
  const std::string name = variable;
  const UniqueFd fd(std::atoi(variable));
  ::unsetenv(kUpgradeVariable);
  ::close_range(3, ~0U, CLOSE_RANGE_CLOEXEC);
  if (name_of_state(fd.get()) != name)
    throw std::runtime_error(
        "what was handed over is not what the program before has written: start it again");
  return UpgradeState::load(fd.get());
}

}  // namespace baton
