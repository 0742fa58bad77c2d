// The pages made of a listing; listing.cpp reads the directory.
#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdio>
#include <ctime>
#include <nlohmann/json.hpp>

#include "common/http/html.h"
#include "common/http/target.h"
#include "worker/serve/listing.h"

namespace baton::serve {

namespace {

using http::displayable;
using http::escape_html;

constexpr std::string_view kHead = R"(<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width,initial-scale=1">
<meta name="color-scheme" content="light dark">
<style>
:root{color-scheme:light dark;--text:#1b1f24;--dim:#59636e;--line:#d8dee4;--link:#0a58c2;--page:#fff}
@media (prefers-color-scheme:dark){:root{--text:#e6e9ec;--dim:#9aa4ae;--line:#30363d;--link:#79b8ff;--page:#14171a}}
body{margin:0 auto;max-width:60rem;padding:1rem;font:1rem/1.5 system-ui,sans-serif;color:var(--text);background:var(--page)}
h1{font-size:1.25rem;margin:.5rem 0 1rem;overflow-wrap:anywhere}
table{width:100%;border-collapse:collapse}
th,td{padding:.5rem .5rem .5rem 0;text-align:left;vertical-align:baseline;border-bottom:1px solid var(--line)}
th{font-size:.875rem;font-weight:600;color:var(--dim)}
td:first-child{overflow-wrap:anywhere}
.s,.m{width:1%;font-size:.875rem;color:var(--dim);white-space:nowrap;font-variant-numeric:tabular-nums}
.s{text-align:right;padding-right:1rem}
.m{text-align:right;padding-right:0}
a{color:var(--link);text-decoration:none}
a:hover,a:focus{text-decoration:underline}
@media (max-width:30rem){.m{white-space:normal}.m span{display:block;white-space:nowrap}}
</style>
)";

std::string display(std::string_view text) {
  return escape_html(displayable(text));
}

// Links are relative to the listing itself, so they hold behind a proxy that serves it under another prefix.
// "./" keeps the "a" of a name like "a:b" from being read as a URL's scheme.
std::string link_to(const ListingEntry& entry) {
  return escape_html("./" + http::encode_path(entry.name) + (entry.directory ? "/" : ""));
}

std::string human_size(std::uint64_t bytes) {
  if (bytes < 1024) return std::to_string(bytes) + " B";
  constexpr auto kUnits = std::to_array<const char*>({"KiB", "MiB", "GiB", "TiB", "PiB", "EiB"});
  double value = static_cast<double>(bytes) / 1024;
  std::size_t unit = 0;
  // From 1023.95 on, one decimal would be rounded up to "1024.0".
  for (; value >= 1023.95 && unit + 1 < kUnits.size(); ++unit) value /= 1024;
  std::array<char, 32> text{};
  std::snprintf(text.data(), text.size(), "%.1f %s", value, kUnits[unit]);
  return text.data();
}

// ISO 8601, UTC: "2026-01-31T08:49:37Z". Empty for a year that gmtime_r(3) cannot express.
std::string iso_time(std::time_t time) {
  std::tm parts = {};
  std::array<char, 64> text{};
  if (::gmtime_r(&time, &parts) == nullptr) return {};
  return {text.data(), std::strftime(text.data(), text.size(), "%Y-%m-%dT%H:%M:%SZ", &parts)};
}

std::string row(const ListingEntry& entry) {
  std::string html = "<tr><td><a href=\"" + link_to(entry) + "\"><bdi>" + display(entry.name) + "</bdi>";
  if (entry.directory) html += '/';
  html += "</a><td class=\"s\">" + (entry.directory ? std::string("-") : human_size(entry.size));
  const std::string time = iso_time(entry.modified);
  const std::size_t split = time.find('T');
  html += "<td class=\"m\"><span>" + time.substr(0, split) + "</span> <span>" + time.substr(split + 1, 5);
  html += "</span>\n";
  return html;
}

}  // namespace

std::string listing_html(std::string_view path, const std::vector<ListingEntry>& entries) {
  const std::string title = "Index of " + display(path);
  std::string html(kHead);
  html += "<title>" + title + "</title>\n</head>\n<body>\n<h1>" + title + "</h1>\n<table>\n";
  html += "<thead><tr><th>Name<th class=\"s\">Size<th class=\"m\">Modified (UTC)</thead>\n<tbody>\n";
  if (path != "/") html += "<tr><td colspan=\"3\"><a href=\"../\">Parent directory</a>\n";
  for (const ListingEntry& entry : entries) html += row(entry);
  html += "</tbody>\n</table>\n";
  if (entries.empty()) html += "<p>This directory is empty.</p>\n";
  if (entries.size() >= kMaxListingEntries) {
    html += "<p>Only " + std::to_string(entries.size()) + " entries are shown.</p>\n";
  }
  return html + "</body>\n</html>\n";
}

std::string listing_json(std::string_view path, const std::vector<ListingEntry>& entries) {
  using nlohmann::ordered_json;
  ordered_json list = ordered_json::array();
  for (const ListingEntry& entry : entries) {
    ordered_json& item = list.emplace_back(ordered_json{{"name", entry.name}});
    item["type"] = entry.directory ? "directory" : "file";
    if (!entry.directory) item["size"] = entry.size;
    item["modified"] = iso_time(entry.modified);
  }
  const ordered_json page = {{"path", path}, {"entries", std::move(list)}};
  return page.dump(-1, ' ', false, ordered_json::error_handler_t::replace) + "\n";
}

}  // namespace baton::serve
