#include "worker/serve/status_page.h"

#include <fmt/format.h>

#include <initializer_list>
#include <nlohmann/json.hpp>
#include <string_view>
#include <utility>

#include "common/base/printable.h"
#include "common/base/units.h"
#include "common/http/html.h"
#include "common/stats/stats.h"
#include "common/stats/stats_json.h"

namespace baton::serve {

namespace {

using http::escape_html;

constexpr std::string_view kStyle = R"(
:root{color-scheme:light dark;--line:#8884;--soft:#8881;--dim:#777}
body{font:15px/1.45 system-ui,sans-serif;margin:0 auto;padding:1rem;max-width:70rem}
h1{font-size:1.3rem;margin:0}
h2{font-size:1rem;margin:1.5rem 0 .5rem}
p{margin:.2rem 0;overflow-wrap:anywhere}
.dim{color:var(--dim)}
dl{display:grid;grid-template-columns:repeat(auto-fill,minmax(9rem,1fr));gap:.5rem;margin:1rem 0}
dl div{background:var(--soft);border:1px solid var(--line);border-radius:.4rem;padding:.4rem .6rem}
dt{font-size:.8rem;color:var(--dim)}
dd{margin:0;font-size:1.1rem;font-variant-numeric:tabular-nums}
.scroll{overflow-x:auto}
table{border-collapse:collapse;width:100%;font-variant-numeric:tabular-nums}
th,td{padding:.3rem .6rem;text-align:right;white-space:nowrap;border-bottom:1px solid var(--line)}
th{font-size:.8rem;color:var(--dim);font-weight:600}
.text{text-align:left}
td.request{text-align:left;max-width:24rem;overflow:hidden;text-overflow:ellipsis;font-family:monospace}
)";

// Replaces only <main>, so that the scrolling and a selection elsewhere stay.
constexpr std::string_view kScript = R"(
setInterval(async()=>{
  const note=document.getElementById('note');
  try{
    const answer=await fetch(location.href,{headers:{Accept:'text/html'},cache:'no-store'});
    if(!answer.ok)throw new Error(answer.status);
    const page=new DOMParser().parseFromString(await answer.text(),'text/html');
    document.querySelector('main').replaceWith(page.querySelector('main'));
    note.textContent='';
  }catch(error){note.textContent='The server does not answer; these are its last numbers.';}
},2000);
)";

using Figure = std::pair<std::string_view, std::string>;

std::string figures(std::initializer_list<Figure> list) {
  std::string html = "<dl>\n";
  for (const auto& [name, value] : list) {
    html += fmt::format("<div><dt>{}</dt><dd>{}</dd></div>\n", name, escape_html(value));
  }
  return html + "</dl>\n";
}

std::string server_html(const ServerStats& server) {
  std::string listen;
  for (const std::string& address : server.listen) listen += (listen.empty() ? "" : ", ") + address;
  std::string html = fmt::format(
      "<h1>{}</h1>\n<p>{} for {} &middot; baton {} &middot; master {} &middot; generation {}</p>\n"
      "<p class=\"dim\">{}</p>\n<p class=\"dim\">{}</p>\n",
      escape_html(server.name), to_string(server.state), format_duration(server.uptime_s),
      escape_html(server.version), server.master_pid, server.generation, escape_html(listen),
      escape_html(server.config_file));
  if (server.last_reload) {
    html += fmt::format("<p class=\"dim\">last reload {}: {}</p>\n", server.last_reload->ok ? "ok" : "failed",
                        escape_html(server.last_reload->message));
  }
  return html;
}

std::string totals_html(const Totals& totals, std::uint32_t max_connections) {
  const Activity& done = totals.activity;
  const auto& by_class = done.responses;
  return figures({
      {"connections",
       fmt::format("{} / {}", format_count(totals.connections.total()), format_count(max_connections))},
      {"held, reading, writing", fmt::format("{}, {}, {}", totals.connections.held,
                                             totals.connections.armed_read, totals.connections.armed_write)},
      {"requests", format_count(done.requests)},
      {"2xx and 3xx", format_count(by_class[1] + by_class[2])},
      {"4xx", format_count(by_class[3])},
      {"5xx", format_count(by_class[4])},
      {"bytes in", format_bytes(done.bytes_in)},
      {"bytes out", format_bytes(done.bytes_out)},
      {"median latency", format_latency(done.latency_ns(0.5))},
      {"99 % within", format_latency(done.latency_ns(0.99))},
      {"99.9 % within", format_latency(done.latency_ns(0.999))},
      {"accepted", format_count(done.accepted)},
      {"timed out", format_count(done.timeouts)},
      {"evicted, refused", fmt::format("{}, {}", format_count(done.evicted), format_count(done.refused))},
      {"parked responses", format_count(done.parked)},
      {"claims lost", format_count(done.claims_lost)},
      {"held by modules, waiting for one",
       fmt::format("{} / {}, {}", totals.places.held, totals.places.most, totals.places.waiting)},
      {"refused for want of a worker", format_count(done.places_refused)},
      {"spooled in memory",
       fmt::format("{} / {}", format_bytes(totals.spool.memory), format_bytes(totals.spool.memory_limit))},
      {"spooled on disk",
       fmt::format("{} / {}", format_bytes(totals.spool.disk), format_bytes(totals.spool.disk_limit))},
      {"no room to spool", format_count(done.spool_refused)},
      {"TLS handshakes, failed",
       fmt::format("{}, {}", format_count(done.handshakes), format_count(done.handshakes_failed))},
      {"worker restarts", format_count(totals.restarts)},
      {"log lines dropped", format_count(totals.access_lines_dropped + totals.error_lines_dropped)},
  });
}

std::string worker_row(const WorkerStats& worker) {
  const Activity& done = worker.activity;
  const bool failing = worker.state == WorkerState::kFailing;
  return fmt::format(
      "<tr><td>{}</td><td>{}</td><td>{}</td><td class=\"text\">{}</td><td>{}</td><td>{}</td><td>{}</td>"
      "<td>{}</td><td>{}</td><td>{}</td><td class=\"text\">{}{}</td><td class=\"request\">{}</td></tr>\n",
      short_name(worker), worker.generation, failing ? "-" : std::to_string(worker.pid),
      to_string(worker.state), failing ? "-" : format_duration(worker.uptime_s), format_count(done.requests),
      format_count(done.responses[4]), format_bytes(done.bytes_out), format_latency(done.latency_ns(0.99)),
      worker.restarts, failing ? "-" : to_string(worker.phase),
      worker.busy_s ? " " + format_duration(*worker.busy_s) : "",
      escape_html(printable(failing ? describe_failure(worker) : worker.request.value_or(""))));
}

std::string workers_html(const std::vector<WorkerStats>& workers) {
  std::string html =
      "<h2>Workers</h2>\n<div class=\"scroll\"><table>\n"
      "<thead><tr><th>no.</th><th>generation</th><th>pid</th><th class=\"text\">state</th><th>up</th>"
      "<th>requests</th><th>5xx</th><th>out</th><th>p99</th><th>restarts</th><th class=\"text\">doing</th>"
      "<th class=\"text\">request</th></tr></thead>\n<tbody>\n";
  for (const WorkerStats& worker : workers) html += worker_row(worker);
  return html + "</tbody></table></div>\n";
}

std::string dicts_html(const std::vector<DictStats>& dicts) {
  if (dicts.empty()) return "";
  std::string html =
      "<h2>Dictionaries</h2>\n<div class=\"scroll\"><table>\n"
      "<thead><tr><th class=\"text\">name</th><th>entries</th><th>used</th><th>of</th><th>hits</th>"
      "<th>misses</th><th>evicted</th><th>expired</th><th>repairs</th></tr></thead>\n<tbody>\n";
  for (const DictStats& dict : dicts) {
    html += fmt::format(
        "<tr><td class=\"text\">{}</td><td>{}</td><td>{}</td><td>{}</td><td>{}</td><td>{}</td><td>{}</td>"
        "<td>{}</td><td>{}</td></tr>\n",
        escape_html(printable(dict.name)), format_count(dict.entries), format_bytes(dict.bytes_used),
        format_bytes(dict.bytes_total), format_count(dict.hits), format_count(dict.misses),
        format_count(dict.evictions), format_count(dict.expired), format_count(dict.repairs + dict.damages));
  }
  return html + "</tbody></table></div>\n";
}

}  // namespace

std::string status_json(const Segment& segment) {
  return dump(stats_json(take_snapshot(segment, SnapshotDetail::kSummary)));
}

std::string status_html(const Segment& segment) {
  const Snapshot snapshot = take_snapshot(segment, SnapshotDetail::kSummary);
  return fmt::format(
      "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
      "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
      "<title>{} status</title>\n"
      "<noscript><meta http-equiv=\"refresh\" content=\"2\"></noscript>\n"
      "<style>{}</style>\n</head>\n<body>\n<main>\n{}{}{}{}</main>\n<p id=\"note\" role=\"status\"></p>\n"
      "<script>{}</script>\n</body>\n</html>\n",
      escape_html(snapshot.server.name), kStyle, server_html(snapshot.server),
      totals_html(snapshot.totals, snapshot.server.max_connections), workers_html(snapshot.workers),
      dicts_html(snapshot.dicts), kScript);
}

}  // namespace baton::serve
