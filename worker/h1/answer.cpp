#include "worker/h1/answer.h"

#include "common/base/crash_point.h"
#include "worker/process/master_watch.h"

namespace baton::h1 {

Answer::Answer(Session& session, Responder& responder, Admission& admission, app::ModuleHost& modules)
    : session_(session),
      responder_(responder),
      admission_(admission),
      dispatcher_(session.context.router, modules, session.files, session.context.segment, session.flight,
                  session.context.config),
      handlers_(session, responder, admission, modules, dispatcher_) {}

serve::Exchange Answer::begin() {
  session_.flight.route.store(FlightRecord::kNoRoute, std::memory_order_relaxed);
  session_.reply.reset();
  serve::Exchange exchange{.request = session_.request,
                           .peer = session_.notes().peer,
                           .tick = session_.tick,
                           .now = session_.now,
                           .reply = session_.reply,
                           .secure = session_.secure(),
                           .redirects = session_.slot->has(SlotFlags::kRedirects)};
  dispatcher_.find(exchange);
  return exchange;
}

Answer::Made Answer::make(serve::Exchange& exchange, std::size_t request_bytes) {
  if (waits_for_place(exchange)) return Made::kWaits;
  if (exchange.terms.at_most_once) begin_at_most_once(request_bytes);
  reply(exchange);
  if (handlers_.streamed()) {
    next_ = handlers_.end_stream(request_bytes);
    return Made::kStreamed;
  }
  if (session_.files.table_lost() && !exchange.terms.at_most_once) return Made::kNotHere;
  keep_alive_ = responder_.respond(session_.request.keep_alive);
  return Made::kReady;
}

void Answer::reply(serve::Exchange& exchange) {
  FlightRecord& flight = session_.flight;
  flight.phase.store(FlightPhase::kServing, std::memory_order_relaxed);
  // The watchdog measures each request of a batch from its own start.
  flight.since_ns.store(session_.started_ns, std::memory_order_relaxed);
  flight.set_request(session_.request.request_line);
  crash_point("handler-begun");
  handlers_.reset();
  switch (exchange.source) {
    case serve::Source::kReplied: break;
    case serve::Source::kServer: dispatcher_.serve(exchange); break;
    case serve::Source::kHandler: handlers_.run(exchange); break;
  }
  if (!handlers_.streamed()) exchange.add_route_fields();
}

// Returns whether the request has to wait. If it is refused instead, it goes on with the error reply.
bool Answer::waits_for_place(serve::Exchange& exchange) {
  if (exchange.source != serve::Source::kHandler) return false;
  Session& s = session_;
  switch (admission_.ask(*exchange.endpoint, s.fd, *s.slot, s.tick, s.waits_until)) {
    case Admission::Answer::kGo: break;
    case Admission::Answer::kWait: return true;
    case Admission::Answer::kRefuse:
      exchange.source = serve::Source::kReplied;
      serve::error_reply(exchange, 503, kNoPlace);
      s.reply.header("Retry-After", kRetryAfter);
  }
  return false;
}

// From the store of the phase on, the request is handled at most once.
void Answer::begin_at_most_once(std::size_t request_bytes) {
  session_.slot->request_bytes = static_cast<std::uint32_t>(request_bytes);
  session_.slot->enter(Phase::kHandling);
  note_handled(session_.request.target);
}

}  // namespace baton::h1
