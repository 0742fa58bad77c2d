// From a request to the handler that replies.
#pragma once

#include "common/shared/segment.h"
#include "worker/app/module_host.h"
#include "worker/serve/exchange.h"
#include "worker/serve/static_files.h"

namespace baton::serve {

// One per worker.
class Dispatcher {
 public:
  Dispatcher(const Router& router, const app::ModuleHost& modules, FileCache& cache, const Segment& segment,
             FlightRecord& flight)
      : router_(router),
        modules_(modules),
        files_(cache, router.mime()),
        segment_(segment),
        flight_(flight) {}

  // Finds what the request is for, and notes the route in the flight record when there is one. False: that is
  // nothing, or not allowed, and the reply is made.
  bool find(Exchange& exchange);

  // Fills in the reply of a request that has no endpoint. Never fails: what cannot be served becomes an error
  // reply. The reply may point into the file cache; release that once it has been sent or parked.
  void serve(Exchange& exchange);

  // Replies with a file that a handler has chosen; `path` is where it is.
  void send_file(Exchange& exchange, std::string_view path, const OpenFile& file) {
    files_.send_chosen(exchange, path, file);
  }

 private:
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
  std::string path_;              // storage of Exchange::path
  app::RouteTable::Match match_;  // and of Exchange::match
};

}  // namespace baton::serve
