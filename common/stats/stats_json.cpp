#include "common/stats/stats_json.h"

#include <cmath>
#include <nlohmann/json.hpp>

namespace baton {

namespace {

using Json = nlohmann::ordered_json;

// More digits than milliseconds would only make the document longer.
double rounded(double seconds) {
  return std::round(seconds * 1000) / 1000;
}

template <typename T>
Json or_null(const std::optional<T>& value) {
  return value ? Json(*value) : Json(nullptr);
}

Json latency_json(const Activity& activity) {
  const auto us = [&activity](double quantile) {
    return static_cast<double>(activity.latency_ns(quantile)) / 1000;
  };
  return {{"p50", us(0.5)}, {"p90", us(0.9)}, {"p99", us(0.99)}, {"p99_9", us(0.999)}};
}

Json responses_json(const Activity& activity) {
  Json responses = Json::object();
  const char* const classes[] = {"1xx", "2xx", "3xx", "4xx", "5xx"};
  for (std::size_t i = 0; i < activity.responses.size(); ++i) responses[classes[i]] = activity.responses[i];
  return responses;
}

Json reload_json(const std::optional<LastReload>& reload) {
  if (!reload) return nullptr;
  return {{"ok", reload->ok}, {"time", reload->unix_time}, {"message", reload->message}};
}

Json server_json(const ServerStats& server) {
  return {{"name", server.name},
          {"master_pid", server.master_pid},
          {"version", server.version},
          {"generation", server.generation},
          {"uptime_s", rounded(server.uptime_s)},
          {"state", to_string(server.state)},
          {"config_file", server.config_file},
          {"listen", server.listen},
          {"max_connections", server.max_connections},
          {"last_reload", reload_json(server.last_reload)}};
}

Json totals_json(const Totals& totals) {
  const Activity& activity = totals.activity;
  return {{"requests", activity.requests},
          {"accepted", activity.accepted},
          {"closed", activity.closed},
          {"connections", totals.connections.total()},
          {"connections_by_state",
           {{"held", totals.connections.held},
            {"armed_read", totals.connections.armed_read},
            {"armed_write", totals.connections.armed_write}}},
          {"responses", responses_json(activity)},
          {"bytes_in", activity.bytes_in},
          {"bytes_out", activity.bytes_out},
          {"claims_lost", activity.claims_lost},
          {"wakeups", activity.wakeups},
          {"parked", activity.parked},
          {"timeouts", activity.timeouts},
          {"accept_paused", activity.accept_paused},
          {"files_opened", activity.files_opened},
          {"evicted", activity.evicted},
          {"refused", activity.refused},
          {"module_workers",
           {{"most", totals.places.most},
            {"held", totals.places.held},
            {"waiting", totals.places.waiting},
            {"refused", activity.places_refused}}},
          {"spool",
           {{"memory", totals.spool.memory},
            {"memory_limit", totals.spool.memory_limit},
            {"disk", totals.spool.disk},
            {"disk_limit", totals.spool.disk_limit},
            {"refused", activity.spool_refused}}},
          {"handshakes",
           {{"done", activity.handshakes},
            {"resumed", activity.handshakes_resumed},
            {"replayed", activity.handshakes_replayed},
            {"failed", activity.handshakes_failed}}},
          {"restarts", totals.restarts},
          {"workers", totals.workers},
          {"keyholders", totals.keyholders},
          {"failing", totals.failing},
          {"access_lines_dropped", totals.access_lines_dropped},
          {"error_lines_dropped", totals.error_lines_dropped},
          {"latency_us", latency_json(activity)}};
}

Json worker_json(const WorkerStats& worker) {
  const Activity& activity = worker.activity;
  const bool failing = worker.state == WorkerState::kFailing;
  return {{"role", to_string(worker.role)},
          {"worker", worker.ordinal},
          {"pid", failing ? Json(nullptr) : Json(worker.pid)},
          {"state", to_string(worker.state)},
          {"generation", worker.generation},
          {"uptime_s", rounded(worker.uptime_s)},
          {"requests", activity.requests},
          {"accepted", activity.accepted},
          {"responses", responses_json(activity)},
          {"bytes_in", activity.bytes_in},
          {"bytes_out", activity.bytes_out},
          {"claims_lost", activity.claims_lost},
          {"wakeups", activity.wakeups},
          {"parked", activity.parked},
          {"timeouts", activity.timeouts},
          {"restarts", worker.restarts},
          {"failures", worker.failures},
          {"next_try_s", failing ? Json(rounded(worker.retry_s)) : Json(nullptr)},
          {"last_death", failing ? Json(worker.last_death) : Json(nullptr)},
          {"busy_since_s", worker.busy_s ? Json(rounded(*worker.busy_s)) : Json(nullptr)},
          {"phase", failing ? Json(nullptr) : Json(to_string(worker.phase))},
          {"connection", or_null(worker.connection)},
          {"request", or_null(worker.request)},
          {"latency_us", latency_json(activity)}};
}

Json dict_json(const DictStats& dict) {
  return {{"name", dict.name},
          {"entries", dict.entries},
          {"bytes_used", dict.bytes_used},
          {"bytes_total", dict.bytes_total},
          {"hits", dict.hits},
          {"misses", dict.misses},
          {"evictions", dict.evictions},
          {"expired", dict.expired},
          {"repairs", dict.repairs},
          {"damages", dict.damages},
          {"lost", dict.lost}};
}

Json dicts_json(const Snapshot& snapshot) {
  Json dicts = Json::array();
  for (const DictStats& dict : snapshot.dicts) dicts.push_back(dict_json(dict));
  return dicts;
}

Json connection_json(const ConnectionStats& connection) {
  return {{"fd", connection.fd},
          {"peer", connection.peer},
          {"state", connection.state},
          {"worker", or_null(connection.worker)},
          {"age_s", rounded(connection.age_s)},
          {"requests", connection.requests},
          {"bytes_in", connection.bytes_in},
          {"bytes_out", connection.bytes_out},
          {"request", or_null(connection.request)},
          {"phase", to_string(connection.phase)}};
}

}  // namespace

Json stats_json(const Snapshot& snapshot) {
  return {{"server", server_json(snapshot.server)},
          {"totals", totals_json(snapshot.totals)},
          {"workers", workers_json(snapshot)},
          {"dicts", dicts_json(snapshot)}};
}

Json workers_json(const Snapshot& snapshot) {
  Json workers = Json::array();
  for (const WorkerStats& worker : snapshot.workers) workers.push_back(worker_json(worker));
  return workers;
}

Json connections_json(const Snapshot& snapshot) {
  Json connections = Json::array();
  for (const ConnectionStats& connection : snapshot.connections) {
    connections.push_back(connection_json(connection));
  }
  return connections;
}

std::string dump(const Json& document, int indent) {
  return document.dump(indent, ' ', false, Json::error_handler_t::replace);
}

}  // namespace baton
