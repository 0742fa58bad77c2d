#include "worker/h1/turn.h"

#include "common/base/crash_point.h"
#include "common/http/error_page.h"
#include "common/http/negotiate.h"
#include "worker/connection/acceptor.h"
#include "worker/connection/deadlines.h"

namespace baton::h1 {

namespace {

SlotState armed_for(Next next) {
  return next == Next::kRead ? SlotState::kArmedRead : SlotState::kArmedWrite;
}

}  // namespace

Turn::Turn(const WorkerContext& context, app::ModuleHost& modules, AccessLog& log)
    : session_(context, log),
      admission_(session_.context),
      responder_(session_),
      answer_(session_, responder_, admission_, modules),
      bodies_(session_, responder_, answer_),
      requests_(session_, responder_, answer_, bodies_) {}

void Turn::handle(int fd, std::uint32_t generation, std::uint64_t now_ns) {
  if (!session_.table.claim_or_tell(fd, generation, session_.context.index)) {
    bump(session_.counters.claims_lost);
    return;
  }
  crash_point("after-claim");
  const Next next = take(fd, now_ns);
  if (next == Next::kClose) return;
  if (next == Next::kWait) return hand_back_waiting(fd);
  const SlotState armed = armed_for(next);
  if (next == Next::kRead) session_.socket().arm_low_water();
  session_.context.epoll.arm(fd, generation, armed);
  crash_point("between-mod-and-store");
  if (session_.table.release(fd, armed)) session_.context.epoll.rearm(fd);
  crash_point("after-release");
}

// Does not arm the connection: its request is still in the socket, so the event would come at once.
void Turn::hand_back_waiting(int fd) {
  const bool told = session_.table.release(fd, armed_for(Next::kWait));
  crash_point("place-waits");
  if (admission_.has_its_turn(fd) || told) session_.context.epoll.rearm(fd);
}

void Turn::handle_accepted(int fd, std::uint64_t now_ns) {
  const Next next = take(fd, now_ns);
  if (next == Next::kClose) return;
  // If its request has to wait for a place (kWait), it is watched all the same: it comes back at once, and
  // the next turn lets it wait.
  if (next == Next::kWait) admission_.leave_line(fd);
  session_.table.release(fd, armed_for(next));
  watch_connection(session_.context, fd);
}

Next Turn::take(int fd, std::uint64_t now_ns) {
  session_.begin(fd, now_ns);
  const bool waited = session_.slot->deadline_kind == Deadline::kPlace;
  if (waited) admission_.leave_line(fd);
  const Next next = go_on();
  if (waited && next != Next::kWait) admission_.call_next();
  if (next == Next::kClose) begin_close();
  session_.end();
  if (next == Next::kClose) {
    close_connection(session_.context, fd);
  } else {
    crash_point("before-release");
  }
  return next;
}

Next Turn::go_on() {
  const Verdict verdict = session_.slot->verdict.load(std::memory_order_relaxed);
  if (verdict != Verdict::kNone) return obey_verdict(verdict);
  Slot& slot = *session_.slot;
  if (slot.deadline_kind == Deadline::kPlace) {
    session_.waits_until = slot.deadline.load(std::memory_order_relaxed);
    const auto& timeouts = session_.context.config.timeouts;
    const bool body = slot.phase == Phase::kBody;
    set_deadline(slot, body ? Deadline::kBody : Deadline::kHeader,
                 session_.in(body ? timeouts.body : timeouts.header));
  }
  switch (slot.phase) {
    case Phase::kHead: return requests_.read();
    case Phase::kBody: return bodies_.read();
    case Phase::kParked: return responder_.resume();
    case Phase::kLingering: return responder_.drain();
    case Phase::kHandling:
    case Phase::kResponse:
    case Phase::kHandshake:
    case Phase::kStreaming: break;  // never handed back so (master/recovery.h)
  }
  return Next::kClose;
}

Next Turn::obey_verdict(Verdict verdict) {
  // The verdict stands until Responder::flush() has an answer: if this worker dies, the next holder obeys it
  // too.
  const Deadline kind = session_.slot->deadline_kind;
  const bool asked = kind == Deadline::kHeader || kind == Deadline::kBody || kind == Deadline::kPlace;
  if (verdict == Verdict::kExpired && kind != Deadline::kLinger)
    bump(kind == Deadline::kPlace ? session_.counters.places_refused : session_.counters.timeouts);
  if (verdict == Verdict::kExpired && !asked) return Next::kClose;
  if (session_.inbox.peek(session_.fd, *session_.slot) == PeekResult::kBroken) return Next::kClose;
  switch (verdict) {
    case Verdict::kExpired:
      if (kind == Deadline::kPlace) return fail_request(503);
      return responder_.refuse(408, "The request did not arrive in time.", 0);
    case Verdict::kHandlerTimeout: return fail_request(504);
    case Verdict::kFailed:
    case Verdict::kNone: break;
  }
  return fail_request(500);
}

// Answers the request at the front with an error, because it has killed its workers or has waited for a place
// in vain. The connection goes on behind it if the end of the request is known.
Next Turn::fail_request(int status) {
  Session& s = session_;
  const std::string_view data = s.inbox.data();
  if (http::parse_head(data, s.parser_limits, s.request).status != http::ParseStatus::kComplete)
    return responder_.refuse(status, "", 0);
  std::size_t length = s.request.head_bytes;
  switch (s.slot->phase) {
    case Phase::kHandling: length = s.slot->request_bytes; break;
    case Phase::kBody:
      if (!bodies_.complete()) return responder_.refuse(status, "", 0);
      break;
    default:
      if (s.request.framing != http::BodyFraming::kNone) {
        std::size_t body_bytes = 0;
        if (bodies_.find_in(data.substr(length), answer_.begin(), body_bytes) !=
            BodyIntake::Result::kComplete)
          return responder_.refuse(status, "", 0);
        length += body_bytes;
      }
  }
  s.flight.set_request(s.request.request_line);
  s.reply.reset();
  http::error_reply(s.reply, http::prefers_json(s.request), status, status == 503 ? kNoPlace : "");
  if (status == 503) s.reply.header("Retry-After", kRetryAfter);
  const bool keep_alive = responder_.respond(s.request.keep_alive);
  return responder_.flush(length, keep_alive);
}

// Comes before any part of the response is dropped. If this worker dies while it closes, the process that
// goes on must not take the rest of the response for all of it.
void Turn::begin_close() {
  responder_.record_parked();
  session_.socket().say_goodbye();
  session_.slot->enter(Phase::kLingering);
}

}  // namespace baton::h1
