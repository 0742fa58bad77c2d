// From a host name and a path to the route that answers. Built by the master before it clones a generation of
// workers, which inherit it; const from then on.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "common/config/config.h"
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

  // The longest matching prefix among the routes of the site for `host` (any case, without port), or of the
  // default site; null when there is none. `path` is normalized (see http::normalize_path).
  [[nodiscard]] const Route* find(std::string_view host, std::string_view path) const;

  // The route with this Route::number; null when there is none.
  [[nodiscard]] const Route* find(std::uint32_t number) const;

  // Media types, for routes that send files; null when there is none.
  [[nodiscard]] const MimeTypes* mime() const { return mime_.get(); }

  [[nodiscard]] bool has_modules() const { return has_modules_; }

  // All routes, for checks at start-up.
  template <typename Fn>
  void for_each_route(Fn fn) const {
    for (const auto& site : sites_) {
      for (const Route& route : site->routes) fn(route);
    }
  }

 private:
  struct Site {
    std::vector<Route> routes;  // longest prefix first
  };
  [[nodiscard]] const Site* find_site(std::string_view host) const;

  std::vector<std::unique_ptr<Site>> sites_;
  std::unordered_map<std::string, const Site*> by_host_;
  std::vector<std::pair<std::string, const Site*>> by_suffix_;  // ".example.org", longest first
  const Site* default_ = nullptr;
  std::unique_ptr<const MimeTypes> mime_;
  bool has_modules_ = false;
};

// The part of `path` below the route's prefix, without leading slash: what a static route looks up below its
// root.
std::string_view below(const Route& route, std::string_view path);

}  // namespace baton::serve
