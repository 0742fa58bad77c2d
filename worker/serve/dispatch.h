// Chooses what replies to a request: the server itself, or a module's handler.
#pragma once

#include "common/shared/segment.h"
#include "worker/app/module_host.h"
#include "worker/serve/exchange.h"
#include "worker/serve/static_files.h"

namespace baton::serve {

// One per worker, for its event thread.
class Dispatcher {
 public:
  Dispatcher(const Router& router, const app::ModuleHost& modules, FileCache& cache, const Segment& segment,
             FlightRecord& flight, const Config& config)
      : router_(router),
        modules_(modules),
        files_(cache, router.mime()),
        segment_(segment),
        flight_(flight),
        body_limit_(config.limits.body_bytes),
        https_port_(config.https_port()) {}

  // Finds the source of the reply, and its terms. Notes the route in the flight record if there is one. If
  // there is no route, or the client may not use it, fills in the error reply (Source::kReplied).
  void find(Exchange& exchange);

  // Source::kServer: fills in the reply. Never fails: what cannot be served becomes an error reply. The reply
  // may point into the file cache, so the caller releases that only once the reply has been sent or parked.
  void serve(Exchange& exchange);

  // Replies with a file that a handler has chosen. `path` is the file's path.
  void send_file(Exchange& exchange, std::string_view path, const OpenFile& file) {
    files_.send_chosen(exchange, path, file);
  }

 private:
  bool find_route(Exchange& exchange);
  [[nodiscard]] bool leads_to_https(const Exchange& exchange) const;
  void redirect_to_https(Exchange& exchange) const;
  bool find_endpoint(Exchange& exchange);
  void serve(Exchange& exchange, const StaticConfig& config);
  void serve(Exchange& exchange, const RedirectConfig& config);
  void serve(Exchange& exchange, const RespondConfig& config);
  void serve(Exchange& exchange, const StatusConfig& config);
  void serve(Exchange& exchange, const ModuleConfig& config);

  const Router& router_;
  const app::ModuleHost& modules_;
  StaticFiles files_;
  const Segment& segment_;
  FlightRecord& flight_;
  std::uint64_t body_limit_;      // limits.body_bytes
  std::uint16_t https_port_;      // Config::https_port()
  std::string path_;              // storage of Exchange::path
  app::RouteTable::Match match_;  // storage of Exchange::match
};

}  // namespace baton::serve
