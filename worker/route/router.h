// Finds the route that answers, by host name and path. The master builds the router before it clones a
// generation of workers, which inherit it. Const from then on.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "common/config/config.h"
#include "common/config/host_table.h"
#include "common/http/fields.h"
#include "worker/route/mime.h"
#include "worker/route/module_image.h"
#include "worker/route/static_root.h"

namespace baton::serve {

struct Route {
  const RouteConfig* config = nullptr;
  std::uint32_t number = 0;                        // counts the routes of all sites, in file order
  std::string prefix;                              // without a trailing slash; "" is "/"
  http::Fields fields;                             // added to every response
  std::shared_ptr<StaticRoot> root;                // static routes: the folder, shared by all workers
  std::shared_ptr<const app::ModuleImage> module;  // module routes: the code

  [[nodiscard]] bool allows(const Peer& peer) const;
};

class Router {
 public:
  // Opens the roots and reads the modules. Throws std::runtime_error that names what cannot be opened.
  explicit Router(const Config& config);

  // Returns the route with the longest matching prefix. Only the routes of one site are considered: the site
  // for `host` (any case, without port), else the default site. Null if no route matches. `path` is
  // normalized (http::normalize_path()).
  [[nodiscard]] const Route* find(std::string_view host, std::string_view path) const;

  // Whether requests without TLS for `host` are led to https.
  [[nodiscard]] bool redirects(std::string_view host) const {
    if (!any_redirects_) return false;
    const Site* site = find_site(host);
    return site != nullptr && site->redirects;
  }

  // Returns the route with this Route::number, or null.
  [[nodiscard]] const Route* find(std::uint32_t number) const;

  // Media types, for routes that send files. Null if no route does.
  [[nodiscard]] const MimeTypes* mime() const { return mime_.get(); }

  [[nodiscard]] bool has_modules() const { return has_modules_; }

  // Calls `fn` for all routes, for example to check them at start-up.
  template <typename Fn>
  void for_each_route(Fn fn) const {
    for (const auto& site : sites_) {
      for (const Route& route : site->routes) fn(route);
    }
  }

 private:
  struct Site {
    std::vector<Route> routes;  // longest prefix first
    bool redirects = false;     // SiteConfig::redirect_to_https
  };
  [[nodiscard]] const Site* find_site(std::string_view host) const;

  std::vector<std::unique_ptr<Site>> sites_;
  HostTable<const Site*> by_host_;
  const Site* default_ = nullptr;
  std::unique_ptr<const MimeTypes> mime_;
  bool has_modules_ = false;
  bool any_redirects_ = false;
};

// Returns the part of `path` below the route's prefix, without a leading slash. A static route looks this
// part up below its root.
std::string_view below(const Route& route, std::string_view path);

}  // namespace baton::serve
