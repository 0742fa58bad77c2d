// The pages made of a listing; listing.cpp reads the directory.
#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdio>
#include <ctime>
#include <nlohmann/json.hpp>

#include "worker/http/target.h"
#include "worker/serve/listing.h"

namespace baton::serve {

namespace {

constexpr std::string_view kReplacement = "\xEF\xBF\xBD";  // U+FFFD

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

// The length of the UTF-8 sequence that `text` begins with; 0 if it begins with none (RFC 3629: no overlong
// forms, no surrogates, nothing above U+10FFFF).
std::size_t utf8_length(std::string_view text) {
  const auto byte = [text](std::size_t i) { return static_cast<unsigned char>(text[i]); };
  const unsigned char lead = byte(0);
  if (lead < 0x80) return 1;
  const std::size_t length = lead < 0xC2 ? 0 : lead < 0xE0 ? 2 : lead < 0xF0 ? 3 : lead < 0xF5 ? 4 : 0;
  if (length == 0 || text.size() < length) return 0;
  // The first continuation byte is narrower than the others where the lead byte would allow one of the forms
  // ruled out.
  const unsigned char low = lead == 0xE0 ? 0xA0 : lead == 0xF0 ? 0x90 : 0x80;
  const unsigned char high = lead == 0xED ? 0x9F : lead == 0xF4 ? 0x8F : 0xBF;
  if (byte(1) < low || byte(1) > high) return 0;
  for (std::size_t i = 2; i < length; ++i) {
    if (byte(i) < 0x80 || byte(i) > 0xBF) return 0;
  }
  return length;
}

std::string display(std::string_view text) {
  return escape_html(displayable(text));
}

// Links are relative to the listing itself, so that they hold behind a proxy that serves it under another
// prefix. "./" keeps a name like "a:b" from being read as a URL's scheme.
std::string link_to(const ListingEntry& entry) {
  return escape_html("./" + http::encode_path(entry.name) + (entry.directory ? "/" : ""));
}

std::string human_size(std::uint64_t bytes) {
  if (bytes < 1024) return std::to_string(bytes) + " B";
  constexpr auto kUnits = std::to_array<const char*>({"KiB", "MiB", "GiB", "TiB", "PiB", "EiB"});
  double value = static_cast<double>(bytes) / 1024;
  std::size_t unit = 0;
  // 1023.95 is where one decimal would be rounded up to "1024.0".
  for (; value >= 1023.95 && unit + 1 < kUnits.size(); ++unit) value /= 1024;
  std::array<char, 32> text{};
  std::snprintf(text.data(), text.size(), "%.1f %s", value, kUnits[unit]);
  return text.data();
}

// ISO 8601, UTC: "2026-01-31T08:49:37Z". Empty for a year beyond what gmtime can count.
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

std::string escape_html(std::string_view text) {
  std::string result;
  result.reserve(text.size());
  for (const char byte : text) {
    switch (byte) {
      case '&': result += "&amp;"; break;
      case '<': result += "&lt;"; break;
      case '>': result += "&gt;"; break;
      case '"': result += "&quot;"; break;
      case '\'': result += "&#39;"; break;
      default: result += byte;
    }
  }
  return result;
}

std::string displayable(std::string_view text) {
  std::string result;
  result.reserve(text.size());
  while (!text.empty()) {
    const std::size_t length = utf8_length(text);
    const auto first = static_cast<unsigned char>(text[0]);
    const bool control = first < 0x20 || first == 0x7F;
    result += length == 0 || control ? kReplacement : text.substr(0, length);
    text.remove_prefix(std::max<std::size_t>(length, 1));
  }
  return result;
}

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
