#include "ctl/views.h"

#include <fmt/format.h>

#include <algorithm>
#include <unordered_map>

#include "common/base/printable.h"
#include "common/base/units.h"

namespace baton::ctl {

namespace {

constexpr std::size_t kLabelWidth = 13;

// What was done in a span of time; `seconds` 0: since the start.
struct Interval {
  Activity done;
  double seconds = 0;

  [[nodiscard]] std::string count(std::uint64_t value) const {
    return seconds > 0 ? format_rate(static_cast<double>(value) / seconds) : format_count(value);
  }
  [[nodiscard]] std::string bytes(std::uint64_t value) const {
    return format_bytes(seconds > 0 ? static_cast<std::uint64_t>(static_cast<double>(value) / seconds)
                                    : value);
  }
};

double seconds_between(const Snapshot& now, const Snapshot* before) {
  if (before == nullptr || now.taken_ns <= before->taken_ns) return 0;
  return static_cast<double>(now.taken_ns - before->taken_ns) / 1e9;
}

Interval total_interval(const Snapshot& now, const Snapshot* before) {
  const double seconds = seconds_between(now, before);
  if (seconds <= 0) return {now.totals.activity, 0};
  return {now.totals.activity.since(before->totals.activity), seconds};
}

// A worker that is not in `before` has done everything within the interval.
Interval worker_interval(const Snapshot& now, const Snapshot* before, const WorkerStats& worker) {
  const double seconds = seconds_between(now, before);
  if (seconds <= 0) return {worker.activity, 0};
  const auto same = std::find_if(before->workers.begin(), before->workers.end(),
                                 [&worker](const WorkerStats& earlier) { return earlier.pid == worker.pid; });
  return {same == before->workers.end() ? worker.activity : worker.activity.since(same->activity), seconds};
}

// What each connection had sent at the time of `before`. A descriptor number is reused: if the peer differs,
// or the bytes are fewer now, it was another connection.
class EarlierConnections {
 public:
  explicit EarlierConnections(const Snapshot* before) {
    if (before == nullptr) return;
    for (const ConnectionStats& connection : before->connections) by_fd_.emplace(connection.fd, &connection);
  }
  [[nodiscard]] std::uint64_t bytes_out(const ConnectionStats& now) const {
    const auto found = by_fd_.find(now.fd);
    if (found == by_fd_.end() || found->second->peer != now.peer) return 0;
    return found->second->bytes_out <= now.bytes_out ? found->second->bytes_out : 0;
  }

 private:
  std::unordered_map<int, const ConnectionStats*> by_fd_;
};

std::string pid_of(const WorkerStats& worker) {
  return worker.pid == 0 ? "-" : std::to_string(worker.pid);
}

std::string line(std::string_view label, const std::string& text) {
  return fmt::format("{:<{}}{}\n", label, kLabelWidth, text);
}

std::string heading(const ServerStats& server, const Display& display) {
  return bold(printable(server.name), display) +
         fmt::format("  {} for {}, baton {}, master {}, generation {}\n", to_string(server.state),
                     format_duration(server.uptime_s), printable(server.version), server.master_pid,
                     server.generation);
}

std::string reload_line(const LastReload& reload, const Display& display) {
  std::string text = reload.ok ? "ok: " : "failed: ";
  text += printable(reload.message.substr(0, reload.message.find('\n')));
  return line("last reload", cut(text, display.width > kLabelWidth ? display.width - kLabelWidth : 0));
}

std::string server_lines(const ServerStats& server, const Display& display) {
  std::string listen;
  for (const std::string& address : server.listen)
    listen += (listen.empty() ? "" : ", ") + printable(address);
  std::string text = heading(server, display);
  text += line("config", printable(server.config_file)) + line("listening", listen);
  if (server.last_reload) text += reload_line(*server.last_reload, display);
  return text;
}

std::string totals_lines(const Totals& totals, const Interval& interval, std::uint32_t max_connections) {
  const Activity& done = interval.done;
  const char* per = interval.seconds > 0 ? "/s" : "";
  const auto n = [&interval](std::uint64_t value) { return interval.count(value); };
  std::string text;
  text += line("connections", fmt::format("{} of {} (held {}, reading {}, writing {})",
                                          format_count(totals.connections.total()),
                                          format_count(max_connections), totals.connections.held,
                                          totals.connections.armed_read, totals.connections.armed_write));
  text += line(fmt::format("requests{}", per), n(done.requests));
  text +=
      line(fmt::format("responses{}", per),
           fmt::format("1xx {}  2xx {}  3xx {}  4xx {}  5xx {}", n(done.responses[0]), n(done.responses[1]),
                       n(done.responses[2]), n(done.responses[3]), n(done.responses[4])));
  text += line(fmt::format("traffic{}", per),
               fmt::format("in {}  out {}", interval.bytes(done.bytes_in), interval.bytes(done.bytes_out)));
  text +=
      line(fmt::format("clients{}", per),
           fmt::format("accepted {}  closed {}  timed out {}  evicted {}  refused {}  accepting paused {}",
                       n(done.accepted), n(done.closed), n(done.timeouts), n(done.evicted), n(done.refused),
                       n(done.accept_paused)));
  text += line(fmt::format("events{}", per),
               fmt::format("wake-ups {}  claims lost {}  parked {}  files opened {}", n(done.wakeups),
                           n(done.claims_lost), n(done.parked), n(done.files_opened)));
  text +=
      line("modules", fmt::format("workers held {} of {}  waiting {}  refused{} {}", totals.places.held,
                                  totals.places.most, totals.places.waiting, per, n(done.places_refused)));
  text += line("spool",
               fmt::format("memory {} of {}  disk {} of {}  refused{} {}", format_bytes(totals.spool.memory),
                           format_bytes(totals.spool.memory_limit), format_bytes(totals.spool.disk),
                           format_bytes(totals.spool.disk_limit), per, n(done.spool_refused)));
  if (totals.keyholders > 0 || done.handshakes > 0)
    text +=
        line(fmt::format("handshakes{}", per),
             fmt::format("done {}  resumed {}  replayed {}  failed {}", n(done.handshakes),
                         n(done.handshakes_resumed), n(done.handshakes_replayed), n(done.handshakes_failed)));
  if (totals.access_lines_dropped + totals.error_lines_dropped > 0)
    text += line("dropped", fmt::format("access log lines {}  error log lines {}",
                                        format_count(totals.access_lines_dropped),
                                        format_count(totals.error_lines_dropped)));
  text +=
      line("latency", fmt::format("p50 {}  p90 {}  p99 {}  p99.9 {}", format_latency(done.latency_ns(0.5)),
                                  format_latency(done.latency_ns(0.9)), format_latency(done.latency_ns(0.99)),
                                  format_latency(done.latency_ns(0.999))));
  return text;
}

std::string worker_totals(const Snapshot& now, const Snapshot* before, const Display& display) {
  const bool rates = before != nullptr;
  const auto title = [rates](const char* name) { return rates ? fmt::format("{}/s", name) : name; };
  Table table({{"W", Align::kRight},
               {"GEN", Align::kRight},
               {"PID", Align::kRight},
               {"STATE"},
               {"UP", Align::kRight},
               {title("REQ"), Align::kRight},
               {title("4XX"), Align::kRight},
               {title("5XX"), Align::kRight},
               {title("IN"), Align::kRight},
               {title("OUT"), Align::kRight},
               {"P50", Align::kRight},
               {"P99", Align::kRight},
               {"RESTARTS", Align::kRight}});
  for (const WorkerStats& worker : now.workers) {
    const Interval interval = worker_interval(now, before, worker);
    const Activity& done = interval.done;
    table.add_row(
        {short_name(worker), std::to_string(worker.generation), pid_of(worker),
         std::string(to_string(worker.state)), worker.pid == 0 ? "-" : format_duration(worker.uptime_s),
         interval.count(done.requests), interval.count(done.responses[3]), interval.count(done.responses[4]),
         interval.bytes(done.bytes_in), interval.bytes(done.bytes_out), format_latency(done.latency_ns(0.5)),
         format_latency(done.latency_ns(0.99)), std::to_string(worker.restarts)});
  }
  return table.render(display);
}

// What was counted since `before`; everything if there is no `before`, or if it had another dictionary.
DictStats dict_since(const DictStats& now, const Snapshot* before) {
  if (before == nullptr) return now;
  const auto same = std::find_if(before->dicts.begin(), before->dicts.end(),
                                 [&now](const DictStats& earlier) { return earlier.name == now.name; });
  if (same == before->dicts.end() || same->hits > now.hits || same->misses > now.misses) return now;
  DictStats done = now;
  done.hits -= same->hits;
  done.misses -= same->misses;
  done.evictions -= std::min(same->evictions, done.evictions);
  done.expired -= std::min(same->expired, done.expired);
  return done;
}

// Empty if there are no dictionaries.
std::string dict_totals(const Snapshot& now, const Snapshot* before, const Display& display) {
  if (now.dicts.empty()) return "";
  const Interval interval{{}, seconds_between(now, before)};
  const char* const per = interval.seconds > 0 ? "/s" : "";
  Table table({{"ENTRIES", Align::kRight},
               {"USED", Align::kRight},
               {"OF", Align::kRight},
               {fmt::format("HITS{}", per), Align::kRight},
               {fmt::format("MISSES{}", per), Align::kRight},
               {fmt::format("EVICTED{}", per), Align::kRight},
               {fmt::format("EXPIRED{}", per), Align::kRight},
               {"REPAIRS", Align::kRight},
               {"DICTIONARY"}});
  for (const DictStats& dict : now.dicts) {
    const DictStats done = dict_since(dict, interval.seconds > 0 ? before : nullptr);
    table.add_row({format_count(dict.entries), format_bytes(dict.bytes_used), format_bytes(dict.bytes_total),
                   interval.count(done.hits), interval.count(done.misses), interval.count(done.evictions),
                   interval.count(done.expired), format_count(dict.repairs + dict.damages),
                   printable(dict.name)});
  }
  return '\n' + table.render(display);
}

}  // namespace

std::string stats_view(const Snapshot& now, const Snapshot* before, const Display& display) {
  return server_lines(now.server, display) + '\n' +
         totals_lines(now.totals, total_interval(now, before), now.server.max_connections) + '\n' +
         worker_totals(now, before, display) + dict_totals(now, before, display);
}

std::string workers_view(const Snapshot& now, const Snapshot* before, const Display& display) {
  std::vector<Column> columns{{"W", Align::kRight},
                              {"GEN", Align::kRight},
                              {"PID", Align::kRight},
                              {"STATE"},
                              {"PHASE"},
                              {"SINCE", Align::kRight},
                              {"FD", Align::kRight},
                              {before != nullptr ? "REQ/s" : "REQUESTS", Align::kRight},
                              {"REQUEST"}};
  Table table(std::move(columns));
  for (const WorkerStats& worker : now.workers) {
    const Interval interval = worker_interval(now, before, worker);
    const bool failing = worker.state == WorkerState::kFailing;
    table.add_row({short_name(worker), std::to_string(worker.generation), pid_of(worker),
                   std::string(to_string(worker.state)), failing ? "-" : std::string(to_string(worker.phase)),
                   worker.busy_s ? format_duration(*worker.busy_s) : "-",
                   worker.connection ? std::to_string(*worker.connection) : "-",
                   interval.count(interval.done.requests),
                   printable(failing ? describe_failure(worker) : worker.request.value_or("-"))});
  }
  return table.render(display);
}

std::string connections_view(const Snapshot& now, const Snapshot* before, const Display& display) {
  const double seconds = seconds_between(now, before);
  const EarlierConnections earlier(seconds > 0 ? before : nullptr);
  Table table({{"FD", Align::kRight},
               {"PEER"},
               {"STATE"},
               {"W", Align::kRight},
               {"AGE", Align::kRight},
               {"REQS", Align::kRight},
               {"IN", Align::kRight},
               {seconds > 0 ? "OUT/s" : "OUT", Align::kRight},
               {"REQUEST"}});
  for (const ConnectionStats& connection : now.connections) {
    const Interval interval{{}, seconds};
    table.add_row({std::to_string(connection.fd), printable(connection.peer), std::string(connection.state),
                   connection.worker ? std::to_string(*connection.worker) : "-",
                   format_duration(connection.age_s), format_count(connection.requests),
                   format_bytes(connection.bytes_in),
                   interval.bytes(connection.bytes_out - earlier.bytes_out(connection)),
                   printable(connection.request.value_or("-"))});
  }
  return table.empty() ? "no connections\n" : table.render(display);
}

}  // namespace baton::ctl
