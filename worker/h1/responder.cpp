#include "worker/h1/responder.h"

#include <algorithm>
#include <cerrno>
#include <utility>

#include "common/base/crash_point.h"
#include "common/base/log.h"
#include "common/base/units.h"
#include "common/http/compose.h"
#include "common/http/error_page.h"
#include "common/http/negotiate.h"
#include "common/shared/descriptor_motion.h"
#include "worker/connection/deadlines.h"

namespace baton::h1 {

namespace {

// Most bytes of a lingering connection that one event discards.
constexpr std::size_t kDrainBytes = std::size_t{1} << 20;

std::string_view first_line(std::string_view head) {
  while (head.starts_with("\r\n")) head.remove_prefix(2);
  return head.substr(0, head.find_first_of("\r\n"));
}

void store_after(Slot& slot, After after) {
  slot.clear(SlotFlags::kCloseAfter | SlotFlags::kLingerAfter);
  if (after != After::kKeepAlive) slot.set(SlotFlags::kCloseAfter);
  if (after == After::kLinger) slot.set(SlotFlags::kLingerAfter);
}

After load_after(const Slot& slot) {
  if (!slot.has(SlotFlags::kCloseAfter)) return After::kKeepAlive;
  return slot.has(SlotFlags::kLingerAfter) ? After::kLinger : After::kClose;
}

}  // namespace

bool Responder::begin_response(bool keep_alive) {
  Slot& slot = *session_.slot;
  bump(session_.counters.requests);
  ++slot.requests;
  const std::uint32_t most = session_.context.config.limits.requests_per_connection;
  return keep_alive && !session_.reply.close && !session_.stopping() && (most == 0 || slot.requests < most);
}

void Responder::note_request(ResponseNote& note) const {
  const http::Request& request = session_.request;
  const bool logged = session_.log.enabled();
  note.set_text(request.request_line, logged ? request.field("referer") : std::string_view{},
                logged ? request.field("user-agent") : std::string_view{});
}

bool Responder::respond(bool keep_alive) {
  keep_alive = begin_response(keep_alive);
  Outbox& outbox = session_.outbox;
  const std::uint64_t before = outbox.total();
  const bool head_only = session_.request.method == http::Method::kHead;
  ResponseNote& last = outbox.last();
  last.head_bytes = static_cast<std::uint32_t>(http::compose(
      session_.reply, {head_only, keep_alive, false, session_.request.minor}, session_.now, outbox));
  last.bytes = outbox.total() - before;
  last.status = static_cast<std::uint16_t>(session_.reply.status);
  last.started_ns = session_.started_ns;
  crash_point("response-composed");
  return keep_alive;
}

Next Responder::refuse(int status, std::string_view reason, std::size_t consumed) {
  http::Request& request = session_.request;
  // Parses the request as far as that works. The log and Accept need it, and nothing may follow the head of
  // an answer to HEAD.
  const std::string_view head = session_.inbox.data().substr(consumed);
  http::parse_head(head, session_.parser_limits, request);
  if (request.request_line.empty()) request.request_line = first_line(head);
  session_.flight.set_request(request.request_line);
  session_.reply.reset();
  http::error_reply(session_.reply, http::prefers_json(request), status, reason);
  if (status == 503) session_.reply.header("Retry-After", kRetryAfter);
  respond(false);
  return flush(session_.inbox.data().size(), After::kLinger);
}

Next Responder::flush(std::size_t request_bytes, bool keep_alive) {
  const bool more = session_.inbox.data().size() > request_bytes;
  return flush(request_bytes, keep_alive ? After::kKeepAlive : more ? After::kLinger : After::kClose);
}

Next Responder::flush(std::size_t request_bytes, After after) {
  session_.flight.phase.store(FlightPhase::kSending, std::memory_order_relaxed);
  Slot& slot = *session_.slot;
  Outbox& outbox = session_.outbox;
  ResponseNote& last = outbox.last();
  note_request(last);
  slot.request_bytes = static_cast<std::uint32_t>(request_bytes);
  slot.response_bytes = outbox.total();
  store_after(slot, after);
  session_.socket().plan_response(outbox.total(), request_bytes - slot.spool_bytes,
                                  after != After::kKeepAlive);
  // From this store on the response is sent to its end, whichever process dies.
  slot.enter(Phase::kResponse);
  if (slot.verdict.load(std::memory_order_relaxed) != Verdict::kNone)
    slot.verdict.store(Verdict::kNone, std::memory_order_relaxed);
  crash_point("after-store-response");
  const SendResult result = send_all();
  bump(session_.counters.bytes_out, outbox.sent());
  if (result == SendResult::kBroken || (result == SendResult::kBlocked && !outbox.park(slot))) {
    record(last.bytes - std::min(last.bytes, outbox.total() - outbox.sent()));
    return Next::kClose;
  }
  crash_point("after-send");
  if (result == SendResult::kDone) record(last.bytes);
  const std::size_t in_socket = request_bytes - slot.spool_bytes;
  bump(session_.counters.bytes_in, in_socket);
  if (!consume_request(session_.fd, slot, in_socket)) return Next::kClose;
  session_.inbox.skip(request_bytes);
  if (const Transport socket = session_.socket(); socket.uncertain()) {
    slot.bytes_in += std::exchange(slot.request_bytes, 0);
    socket.settled();
  }
  return result == SendResult::kBlocked ? park() : end_response(after);
}

SendResult Responder::send_all() {
  Outbox& outbox = session_.outbox;
  SendResult result = outbox.send(session_.fd, *session_.slot);
  while (result == SendResult::kBlocked && DescriptorMotion::table_lost()) {
    const auto patience = static_cast<int>(session_.context.config.timeouts.send.count());
    if (!session_.socket().await_writable(patience)) return SendResult::kBroken;
    result = outbox.send(session_.fd, *session_.slot);
  }
  return result;
}

// Outbox::park() has moved the rest of the response into the slot. The worker that gets EPOLLOUT goes on.
Next Responder::park() {
  bump(session_.counters.parked);
  Slot& slot = *session_.slot;
  Outbox& outbox = session_.outbox;
  ResponseNote& note = session_.notes().parked;
  note = outbox.last();
  note.sent = outbox.sent() - std::min(outbox.sent(), outbox.total() - note.bytes);
  set_send_deadline();
  session_.socket().plan_parked();
  crash_point("parked");
  // After the deadline. In the other order, a death in between would leave a parked response under the
  // deadline of its request, and the sweep would answer 408 in the middle of the response.
  slot.enter(Phase::kParked);
  slot.bytes_in += std::exchange(slot.request_bytes, 0);
  slot.batch_offset = 0;
  return Next::kWrite;
}

Next Responder::resume() {
  session_.flight.phase.store(FlightPhase::kSending, std::memory_order_relaxed);
  Slot& slot = *session_.slot;
  ResponseNote& note = session_.notes().parked;
  session_.flight.set_request(note.request_line());
  std::uint64_t sent = 0;
  const SendResult result = resume_parked(session_.fd, slot, sent);
  crash_point("resume-sent");
  bump(session_.counters.bytes_out, sent);
  note.sent += sent;
  if (sent > 0) slot.crashes = slot.kills = 0;
  if (result == SendResult::kBroken) return Next::kClose;
  if (result == SendResult::kBlocked) {
    if (sent > 0) set_send_deadline();
    return Next::kWrite;
  }
  record_parked();
  drop_parked(slot);
  // The flags that load_after() reads stay until the next flush(): if this worker dies here, the next one
  // does this again and has to obey them too.
  return end_response(load_after(slot));
}

Next Responder::end_response(After after) {
  Slot& slot = *session_.slot;
  session_.socket().end_response();
  // Not kHead after the last response: if this worker dies before it has closed, the connection must not take
  // further requests.
  slot.enter(after == After::kKeepAlive ? Phase::kHead : Phase::kLingering);
  slot.bytes_out += std::exchange(slot.response_bytes, 0);
  slot.bytes_in += std::exchange(slot.request_bytes, 0);
  slot.batch_offset = 0;
  slot.crashes = slot.kills = 0;
  switch (after) {
    case After::kKeepAlive: return wait_for_request(session_, true);
    case After::kLinger: return drain();
    case After::kClose: break;
  }
  return Next::kClose;
}

// Closing a socket with unread input sends a reset, and the reset may overtake the last response. So this
// shuts down our side first, then reads on until the client has closed its own (RFC 9112 9.6).
Next Responder::drain() {
  Slot& slot = *session_.slot;
  const Transport socket = session_.socket();
  const bool begins = slot.linger_end == 0;
  if (begins) {
    socket.end_stream();
    slot.linger.left = kLingerBytes;
    std::atomic_signal_fence(std::memory_order_release);
    slot.linger_end = session_.tick + kLingerTicks;
    crash_point("lingering");
  }
  std::uint64_t drained = 0;
  ssize_t n = 1;
  while (n > 0 && drained < kDrainBytes) {
    n = socket.consume_some(kDrainBytes);
    if (n > 0) drained += static_cast<std::uint64_t>(n);
  }
  const bool open = n > 0 || (n < 0 && (errno == EAGAIN || errno == EINTR));
  socket.settled();
  bump(session_.counters.bytes_in, drained);
  if (!open || drained >= slot.linger.left) return Next::kClose;
  slot.linger.left -= drained;
  if (begins || drained > 0) set_linger_deadline(slot, session_.tick);
  return Next::kRead;
}

void Responder::record(std::uint64_t sent) {
  ResponseNote& last = session_.outbox.last();
  if (last.status == 0) return;
  const std::uint64_t now = monotonic_ns();
  const http::Request& request = session_.request;
  RequestText text;
  if (session_.log.enabled())
    text = {request.request_line, request.field("referer"), request.field("user-agent")};
  count(last, text, sent, now);
  session_.started_ns = now;  // the next request of a pipelined batch begins here
}

void Responder::record_parked() {
  ResponseNote& note = session_.notes().parked;
  if (note.status == 0) return;
  count(note, {note.request_line(), note.referer(), note.agent()}, note.sent, monotonic_ns());
}

void Responder::count(ResponseNote& note, const RequestText& request, std::uint64_t sent, std::uint64_t now) {
  session_.context.entry().latency.record(now - note.started_ns);
  bump(session_.counters.responses[std::clamp(note.status / 100, 1, 5) - 1]);
  if (session_.log.enabled()) {
    const std::uint64_t all = note.streamed + sent;
    const std::uint64_t body = all - std::min<std::uint64_t>(all, note.head_bytes);
    session_.log.add({session_.notes().peer, request.line, request.referer, request.agent, note.status, body,
                      now - note.started_ns},
                     session_.now, now);
  }
  note.status = 0;
}

void Responder::set_send_deadline() {
  Slot& slot = *session_.slot;
  slot.queued = static_cast<std::uint32_t>(session_.socket().queued());
  set_deadline(slot, Deadline::kSend, session_.in(session_.context.config.timeouts.send));
}

// A client that fills the budget must not fill the log too.
void Responder::note_full() {
  constexpr std::uint64_t kTellNs = 60'000'000'000;
  bump(session_.counters.spool_refused);
  const std::uint64_t now = monotonic_ns();
  if (full_told_ns_ != 0 && now - full_told_ns_ < kTellNs) return;
  full_told_ns_ = now;
  const SpoolBudget::Use use = session_.context.segment.spool_budget().use();
  log::warn(
      "no room for a request body or a response, and 503 for those that need it: of the spool's budget {} of "
      "{} are used in memory, {} of {} on disk (limits.spool_memory_total, limits.spool_disk_total)",
      format_bytes(use.memory), format_bytes(use.memory_limit), format_bytes(use.disk),
      format_bytes(use.disk_limit));
}

}  // namespace baton::h1
