#include "worker/route/router.h"

#include <algorithm>
#include <map>

namespace baton::serve {

namespace {

// Objects that routes with the same path share.
struct Shared {
  std::map<std::string, std::shared_ptr<const app::ModuleImage>> images;
  std::map<std::string, std::shared_ptr<StaticRoot>> roots;
};

Route make_route(const RouteConfig& config, Shared& shared) {
  Route route;
  route.config = &config;
  route.prefix = config.path;
  if (route.prefix.ends_with('/')) route.prefix.pop_back();
  for (const HeaderLine& line : config.headers) route.fields.add(line.name, line.value);
  if (const auto* files = std::get_if<StaticConfig>(&config.action)) {
    std::shared_ptr<StaticRoot>& root = shared.roots[files->root];
    if (!root) root = std::make_shared<StaticRoot>(files->root);
    route.root = root;
  }
  if (const auto* module = std::get_if<ModuleConfig>(&config.action)) {
    std::shared_ptr<const app::ModuleImage>& image = shared.images[module->file];
    if (!image) image = app::ModuleImage::read(module->file);
    route.module = image;
  }
  return route;
}

bool under(std::string_view path, std::string_view prefix) {
  return path.starts_with(prefix) && (path.size() == prefix.size() || path[prefix.size()] == '/');
}

}  // namespace

bool Route::allows(const Peer& peer) const {
  const auto matches = [&peer](const Network& network) { return network.contains(peer); };
  if (std::any_of(config->deny.begin(), config->deny.end(), matches)) return false;
  return config->allow.empty() || std::any_of(config->allow.begin(), config->allow.end(), matches);
}

Router::Router(const Config& config) {
  std::uint32_t number = 0;
  Shared shared;
  for (const SiteConfig& site_config : config.sites) {
    auto site = std::make_unique<Site>();
    site->redirects = site_config.redirect_to_https;
    any_redirects_ = any_redirects_ || site->redirects;
    for (const RouteConfig& route : site_config.routes) {
      site->routes.push_back(make_route(route, shared));
      site->routes.back().number = number++;
      const bool sends_files = site->routes.back().root || site->routes.back().module;
      has_modules_ = has_modules_ || site->routes.back().module;
      if (sends_files && !mime_) mime_ = std::make_unique<const MimeTypes>();
    }
    std::stable_sort(site->routes.begin(), site->routes.end(),
                     [](const Route& a, const Route& b) { return a.prefix.size() > b.prefix.size(); });
    for (const std::string& host : site_config.hosts) by_host_.add(host, site.get());
    if (site_config.hosts.empty()) default_ = site.get();
    sites_.push_back(std::move(site));
  }
}

const Router::Site* Router::find_site(std::string_view host) const {
  const Site* const* found = by_host_.find(host);
  return found != nullptr ? *found : default_;
}

const Route* Router::find(std::string_view host, std::string_view path) const {
  const Site* site = find_site(host);
  if (site == nullptr) return nullptr;
  for (const Route& route : site->routes) {
    if (under(path, route.prefix)) return &route;
  }
  return nullptr;
}

const Route* Router::find(std::uint32_t number) const {
  const Route* found = nullptr;
  for_each_route([&](const Route& route) {
    if (route.number == number) found = &route;
  });
  return found;
}

std::string_view below(const Route& route, std::string_view path) {
  path.remove_prefix(route.prefix.size());
  if (path.starts_with('/')) path.remove_prefix(1);
  return path;
}

}  // namespace baton::serve
