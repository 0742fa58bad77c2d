#include <cstddef>
#include <map>
#include <string>

#include "common/config/sections.h"
#include "common/config/syntax.h"
#include "common/http/chars.h"

namespace baton {
namespace {

// What must be unique across sites, with the line where it first appeared.
struct Claimed {
  std::map<std::string, std::uint32_t> hosts;
  std::optional<std::uint32_t> default_site;
};

std::string route_key(std::string path) {
  while (path.ends_with('/')) path.pop_back();
  return path;
}

void read_hosts(TableReader& reader, SiteConfig& site, Claimed& claimed) {
  const bool wrong_type = reader.find("hosts") != nullptr && reader.find("hosts")->array() == nullptr;
  const auto hosts = reader.strings("hosts");
  if (wrong_type) return;  // already reported; it is not also a second default site
  const bool is_default = reader.find("hosts") == nullptr || reader.find("hosts")->array()->empty();
  if (is_default && claimed.default_site) {
    reader.fail(reader.at(), "this [[site]] has no hosts, but the one in line " +
                                 std::to_string(*claimed.default_site) +
                                 " already is the default site; give one of them hosts");
  } else if (is_default) {
    claimed.default_site = reader.at().line;
  }
  if (!hosts) return;
  for (const auto& [written, at] : *hosts) {
    if (const Complaint complaint = check_host_pattern(written)) {
      reader.fail(at, *complaint);
      continue;
    }
    std::string host = http::lower_case(written);
    const auto [first, added] = claimed.hosts.emplace(host, at.line);
    if (!added) {
      reader.fail(at,
                  "host '" + host + "' is already taken: line " + std::to_string(first->second) + " has it");
    }
    site.hosts.push_back(std::move(host));
  }
}

void read_routes(TableReader& reader, const ConfigContext& context, SiteConfig& site) {
  std::map<std::string, std::uint32_t> paths;
  for (const TomlValue* table : reader.tables("route")) {
    RouteConfig route = read_route(*table, context);
    if (!route.path.empty()) {
      const auto [first, added] = paths.emplace(route_key(route.path), table->at.line);
      if (!added) {
        reader.fail(table->at, "path '" + route.path +
                                   "' is already routed in this site: the route in line " +
                                   std::to_string(first->second) + " matches the same requests");
      }
    }
    site.routes.push_back(std::move(route));
  }
}

}  // namespace

void read_sites(TableReader& root, const ConfigContext& context, std::vector<SiteConfig>& sites) {
  Claimed claimed;
  for (const TomlValue* table : root.required_tables("site")) {
    TableReader reader{*table, "[[site]]", context.errors};
    SiteConfig site;
    site.line = table->at.line;
    site.column = table->at.column;
    read_hosts(reader, site, claimed);
    read_site_tls(reader, context, site);
    read_routes(reader, context, site);
    reader.finish();
    sites.push_back(std::move(site));
  }
}

}  // namespace baton
