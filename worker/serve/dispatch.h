// From a request to the handler that replies.
#pragma once

#include "common/segment.h"
#include "worker/serve/exchange.h"
#include "worker/serve/static_files.h"

namespace baton::serve {

// One per worker.
class Dispatcher {
 public:
  Dispatcher(const Router& router, FileCache& cache, const Segment& segment, FlightRecord& flight)
      : router_(router), files_(cache, router.mime()), segment_(segment), flight_(flight) {}

  // Fills in the reply, and notes in the flight record which route makes it, when there is one. Never fails:
  // what cannot be served becomes an error reply. The reply may point into the file cache; release that once
  // it has been sent or parked.
  void dispatch(Exchange& exchange);

 private:
  void serve(Exchange& exchange, const StaticConfig& config);
  void serve(Exchange& exchange, const RedirectConfig& config);
  void serve(Exchange& exchange, const RespondConfig& config);
  void serve(Exchange& exchange, const StatusConfig& config);

  const Router& router_;
  StaticFiles files_;
  const Segment& segment_;
  FlightRecord& flight_;
  std::string path_;  // storage of Exchange::path
};

}  // namespace baton::serve
