#include <algorithm>
#include <array>
#include <set>
#include <utility>

#include "common/config/sections.h"
#include "common/config/syntax.h"
#include "common/http/added_field.h"
#include "common/http/chars.h"

namespace baton {
namespace {

std::string read_root(TableReader& reader, const ConfigContext& context) {
  const auto written = reader.required_string("root");
  if (!written) return {};
  std::string root = context.resolve_by_name(written->value);
  if (written->value.empty()) {
    reader.fail(written->at, "'root' is empty; expected a folder");
  } else if (const std::string problem = folder_problem(root); !problem.empty()) {
    reader.fail(written->at, "'root': the folder " + root + " " + problem);
  }
  return root;
}

void read_index(TableReader& reader, StaticConfig& action) {
  const auto names = reader.string_or_strings("index");
  if (!names) return;
  action.index.clear();
  for (const auto& [name, at] : *names) {
    if (name.empty() || name == "." || name == ".." || name.find('/') != std::string::npos) {
      reader.fail(at, "'index' has '" + name + "'; expected the name of a file in the folder itself");
    }
    action.index.push_back(name);
  }
}

// Reads an optional string that becomes a field value.
void read_field_value(TableReader& reader, std::string_view key, std::string& value) {
  const auto written = reader.text(key);
  if (!written) return;
  if (const Complaint complaint = http::check_field_value(written->value)) {
    reader.fail(written->at, "'" + std::string{key} + "': " + *complaint);
  }
  value = http::trim_spaces(written->value);
}

StaticConfig read_static(const TomlValue& table, const ConfigContext& context) {
  TableReader reader{table, "[site.route.static]", context.errors};
  StaticConfig action;
  action.root = read_root(reader, context);
  read_index(reader, action);
  action.listing = reader.boolean("listing").value_or(false);
  read_field_value(reader, "cache_control", action.cache_control);
  action.precompressed = reader.boolean("precompressed").value_or(false);
  if (const auto fallback = reader.string("fallback"); fallback && !fallback->value.empty()) {
    const bool rooted = fallback->value.starts_with('/');
    action.fallback = fallback->value.substr(rooted ? 1 : 0);
    if (action.fallback.ends_with('/') || action.fallback.empty() ||
        check_route_path("/" + action.fallback)) {
      reader.fail(fallback->at,
                  "'fallback' is '" + fallback->value + "'; expected the path of a file below the root");
    }
  }
  reader.finish();
  return action;
}

RedirectConfig read_redirect(const TomlValue& table, const ConfigContext& context) {
  constexpr std::array<std::int64_t, 5> kStatuses{301, 302, 303, 307, 308};
  TableReader reader{table, "[site.route.redirect]", context.errors};
  RedirectConfig action;
  if (auto to = reader.required_string("to")) {
    if (const Complaint complaint = check_redirect_target(to->value))
      reader.fail(to->at, "'to': " + *complaint);
    action.to = std::move(to->value);
  }
  if (const auto status = reader.integer("status", 301, 308)) {
    if (std::ranges::find(kStatuses, status->value) == kStatuses.end()) {
      reader.fail(status->at, "'status' is " + std::to_string(status->value) +
                                  "; expected 301, 302, 303, 307 or 308 for a redirect");
    }
    action.status = static_cast<int>(status->value);
  }
  reader.finish();
  return action;
}

RespondConfig read_respond(const TomlValue& table, const ConfigContext& context) {
  TableReader reader{table, "[site.route.respond]", context.errors};
  RespondConfig action;
  const auto status = reader.integer("status", 200, 599);
  if (status) action.status = static_cast<int>(status->value);
  auto body = reader.text("body");
  if (body) action.body = std::move(body->value);
  const bool bodiless = action.status == 204 || action.status == 205 || action.status == 304;
  if (bodiless && !action.body.empty()) {
    reader.fail(body->at, "a response with status " + std::to_string(action.status) + " cannot have a body");
  }
  const TomlValue* type = reader.find("type");
  read_field_value(reader, "type", action.type);
  if (action.type.empty()) {
    reader.fail(type->at, "'type' is empty; expected a media type such as text/plain");
  }
  reader.finish();
  return action;
}

void read_action(TableReader& reader, const ConfigContext& context, RouteConfig& route) {
  std::vector<std::pair<SourcePosition, std::string>> present;
  for (const std::string_view action : {"static", "redirect", "respond", "status", "module"}) {
    if (const TomlValue* value = reader.find(action)) present.emplace_back(value->at, action);
  }
  std::ranges::sort(present);
  if (present.empty()) {
    reader.fail(
        reader.at(),
        "this [[site.route]] does nothing; expected one of static, module, redirect, respond or status");
  } else if (present.size() > 1) {
    reader.fail(present[1].first, "this [[site.route]] has '" + present[0].second + "' and '" +
                                      present[1].second +
                                      "'; expected only one of static, module, redirect, respond and status");
  }
  if (const TomlValue* table = reader.table("static")) route.action = read_static(*table, context);
  if (const TomlValue* table = reader.table("redirect")) route.action = read_redirect(*table, context);
  if (const TomlValue* table = reader.table("respond")) route.action = read_respond(*table, context);
  if (const auto status = reader.boolean("status")) {
    if (!*status) reader.fail(reader.find("status")->at, "'status' is false; expected true, or leave it out");
    route.action = StatusConfig{};
  }
  if (const TomlValue* table = reader.table("module")) route.action = read_module(*table, context);
}

void read_headers(TableReader& reader, RouteConfig& route) {
  const TomlValue* table = reader.table("headers");
  if (table == nullptr) return;
  std::set<std::string> names;
  for (const TomlEntry& entry : *table->table()) {
    if (const Complaint complaint = http::check_field_name(entry.key)) {
      reader.fail(entry.at, *complaint);
    } else if (!names.insert(http::lower_case(entry.key)).second) {
      reader.fail(entry.at, "field '" + entry.key + "' is there twice (case does not matter)");
    }
    if (entry.value.string() == nullptr) {
      reader.fail_type(entry.key, entry.value, "a string");
    } else if (const Complaint complaint = http::check_field_value(*entry.value.string())) {
      reader.fail(entry.value.at, "'" + entry.key + "': " + *complaint);
    } else {
      route.headers.push_back({entry.key, std::string{http::trim_spaces(*entry.value.string())}});
    }
  }
}

std::vector<Network> read_networks(TableReader& reader, std::string_view key) {
  std::vector<Network> networks;
  const auto written = reader.strings(key);
  if (!written) return networks;
  for (const auto& [text, at] : *written) {
    if (const auto network = Network::parse(text)) {
      networks.push_back(*network);
    } else {
      reader.fail(at, "'" + std::string{key} + "' has '" + text +
                          "'; expected a network such as 10.0.0.0/8 or 2001:db8::/32, an IP address or unix");
    }
  }
  return networks;
}

}  // namespace

RouteConfig read_route(const TomlValue& table, const ConfigContext& context) {
  TableReader reader{table, "[[site.route]]", context.errors};
  RouteConfig route;
  if (auto path = reader.required_string("path")) {
    if (const Complaint complaint = check_route_path(path->value)) {
      reader.fail(path->at, "'path': " + *complaint);
    } else {
      route.path = std::move(path->value);
    }
  }
  read_action(reader, context, route);
  read_headers(reader, route);
  route.allow = read_networks(reader, "allow");
  route.deny = read_networks(reader, "deny");
  reader.finish();
  return route;
}

}  // namespace baton
