// Responses: from a reply to bytes in the kernel's hands, now or later.
#include <linux/sockios.h>
#include <poll.h>
#include <sys/ioctl.h>

#include <algorithm>
#include <atomic>
#include <utility>

#include "common/base/crash_point.h"
#include "common/http/compose.h"
#include "common/http/error_page.h"
#include "common/http/negotiate.h"
#include "worker/connection/deadlines.h"
#include "worker/h1/connection_handler.h"

namespace baton {

namespace {

std::string_view first_line(std::string_view head) {
  while (head.starts_with("\r\n")) head.remove_prefix(2);
  return head.substr(0, head.find_first_of("\r\n"));
}

}  // namespace

// Finds where the request in hand goes; what cannot go anywhere has its reply then.
serve::Exchange ConnectionHandler::begin_exchange() {
  flight_.route.store(FlightRecord::kNoRoute, std::memory_order_relaxed);
  reply_.reset();
  serve::Exchange exchange{.request = request_,
                           .peer = table_.notes(fd_).peer,
                           .tick = tick_,
                           .now = now_,
                           .reply = reply_,
                           .path = {},
                           .body = {}};
  exchange.replied = !dispatcher_.find(exchange);
  return exchange;
}

// Whether it must not be begun again, as nobody knows how far it got (RFC 9110 9.2.2).
bool ConnectionHandler::once(const serve::Exchange& exchange) const {
  if (exchange.endpoint != nullptr && exchange.endpoint->idempotent) return !*exchange.endpoint->idempotent;
  return !http::idempotent(request_.method);
}

void ConnectionHandler::make_reply(serve::Exchange& exchange) {
  flight_.phase.store(FlightPhase::kServing, std::memory_order_relaxed);
  // Each request of a batch has a time of its own.
  flight_.since_ns.store(started_ns_, std::memory_order_relaxed);
  flight_.set_request(request_.request_line);
  crash_point("handler-begun");
  stream_ = {};
  if (exchange.endpoint != nullptr) {
    run_handler(exchange);
  } else if (!exchange.replied) {
    dispatcher_.serve(exchange);
  }
  if (stream_.begun) return;
  if (exchange.route != nullptr) reply_.fields += exchange.route->header_lines;
}

// From this store on the request is handled at most once.
void ConnectionHandler::begin_once(std::size_t request_bytes) {
  slot_->request_bytes = static_cast<std::uint32_t>(request_bytes);
  std::atomic_signal_fence(std::memory_order_release);
  slot_->phase = Phase::kHandling;
  note_handled(request_.target);
}

bool ConnectionHandler::begin_response(bool keep_alive) {
  bump(counters_.requests);
  ++slot_->requests;
  const std::uint32_t most = context_.config.limits.requests_per_connection;
  return keep_alive && !reply_.close && !stopping() && (most == 0 || slot_->requests < most);
}

// For the access log, should somebody else have to write the line.
void ConnectionHandler::note_request(ResponseNote& note) const {
  note.set_text(request_.request_line, log_.enabled() ? request_.field("referer") : std::string_view{},
                log_.enabled() ? request_.field("user-agent") : std::string_view{});
}

bool ConnectionHandler::respond(bool keep_alive) {
  keep_alive = begin_response(keep_alive);
  const std::uint64_t before = outbox_.total();
  const bool head_only = request_.method == http::Method::kHead;
  ResponseNote& last = outbox_.last();
  last.head_bytes = static_cast<std::uint32_t>(
      http::compose(reply_, {head_only, keep_alive, false, request_.minor}, now_, outbox_));
  last.bytes = outbox_.total() - before;
  last.status = static_cast<std::uint16_t>(reply_.status);
  last.started_ns = started_ns_;
  crash_point("response-composed");
  return keep_alive;
}

// Answers what is gathered so far, then the error, and closes: nothing behind a malformed request can be
// trusted.
ConnectionHandler::Next ConnectionHandler::refuse(int status, std::string_view reason, std::size_t consumed) {
  // As far as it can be read: for the log, for Accept, and because nothing may follow the head of an answer
  // to HEAD.
  const std::string_view head = inbox_.data().substr(consumed);
  http::parse_head(head, parser_limits_, request_);
  if (request_.request_line.empty()) request_.request_line = first_line(head);
  flight_.set_request(request_.request_line);
  reply_.reset();
  http::error_reply(reply_, http::prefers_json(request_), status, reason);
  if (status == 503) reply_.header("Retry-After", kRetryAfter);
  respond(false);
  return flush(inbox_.data().size(), false, true);
}

ConnectionHandler::Next ConnectionHandler::flush(std::size_t consumed, bool keep_alive, bool linger) {
  flight_.phase.store(FlightPhase::kSending, std::memory_order_relaxed);
  ResponseNote& last = outbox_.last();
  note_request(last);
  slot_->request_bytes = static_cast<std::uint32_t>(consumed);
  slot_->response_bytes = outbox_.total();
  slot_->flags &= static_cast<std::uint8_t>(~(SlotFlags::kCloseAfter | SlotFlags::kLingerAfter));
  if (!keep_alive) slot_->flags |= SlotFlags::kCloseAfter;
  if (linger) slot_->flags |= SlotFlags::kLingerAfter;
  // From this store on the response is sent to its end, whoever dies.
  std::atomic_signal_fence(std::memory_order_release);
  slot_->phase = Phase::kResponse;
  if (slot_->verdict.load(std::memory_order_relaxed) != Verdict::kNone)
    slot_->verdict.store(Verdict::kNone, std::memory_order_relaxed);
  crash_point("after-store-response");
  const SendResult result = send_all();
  bump(counters_.bytes_out, outbox_.sent());
  if (result == SendResult::kBroken || (result == SendResult::kBlocked && !outbox_.park(*slot_))) {
    record(last.bytes - std::min(last.bytes, outbox_.total() - outbox_.sent()));
    return Next::kClose;
  }
  crash_point("after-send");
  if (result == SendResult::kDone) record(last.bytes);
  bump(counters_.bytes_in, consumed - slot_->spool_bytes);
  if (!consume_request(fd_, *slot_, consumed - slot_->spool_bytes)) return Next::kClose;
  inbox_.skip(consumed);
  if ((slot_->flags & SlotFlags::kUncertain) != 0) {
    slot_->bytes_in += std::exchange(slot_->request_bytes, 0);
    noted(*slot_);
  }
  if (result == SendResult::kBlocked) return park();
  return end_response(!keep_alive, linger);
}

// A worker that has lost the descriptor table cannot park the rest: it stays until the client has it.
SendResult ConnectionHandler::send_all() {
  const bool unix_socket = (slot_->flags & SlotFlags::kUnixSocket) != 0;
  if (unix_socket) slot_->flags |= SlotFlags::kUncertain;
  SendResult result = outbox_.send(fd_, *slot_);
  while (result == SendResult::kBlocked && DescriptorMotion::table_lost()) {
    pollfd writable{fd_, POLLOUT, 0};
    if (::poll(&writable, 1, static_cast<int>(context_.config.timeouts.send.count())) <= 0)
      return SendResult::kBroken;
    result = outbox_.send(fd_, *slot_);
  }
  if (unix_socket) noted(*slot_);
  return result;
}

// The rest of the response is in the slot already: whoever gets EPOLLOUT goes on.
ConnectionHandler::Next ConnectionHandler::park() {
  bump(counters_.parked);
  ResponseNote& note = table_.notes(fd_).parked;
  note = outbox_.last();
  note.sent = outbox_.sent() - std::min(outbox_.sent(), outbox_.total() - note.bytes);
  set_send_deadline();
  crash_point("parked");
  // Last: a worker killed before this store leaves nobody a parked response under the deadline of its
  // request, which would be answered with 408 in the middle of it.
  std::atomic_signal_fence(std::memory_order_release);
  slot_->phase = Phase::kParked;
  slot_->bytes_in += std::exchange(slot_->request_bytes, 0);
  return Next::kWrite;
}

ConnectionHandler::Next ConnectionHandler::resume_response() {
  flight_.phase.store(FlightPhase::kSending, std::memory_order_relaxed);
  ResponseNote& note = table_.notes(fd_).parked;
  flight_.set_request(note.request_line());
  std::uint64_t sent = 0;
  const SendResult result = resume_parked(fd_, *slot_, sent);
  crash_point("resume-sent");
  bump(counters_.bytes_out, sent);
  note.sent += sent;
  if (sent > 0) slot_->crashes = slot_->kills = 0;
  if (result == SendResult::kBroken) return Next::kClose;
  if (result == SendResult::kBlocked) {
    if (sent > 0) set_send_deadline();
    return Next::kWrite;
  }
  record_parked();
  drop_parked(*slot_);
  // The flags stay until the next response is parked: they are to be obeyed even by whoever does this again.
  const std::uint8_t flags = slot_->flags;
  return end_response((flags & SlotFlags::kCloseAfter) != 0, (flags & SlotFlags::kLingerAfter) != 0);
}

ConnectionHandler::Next ConnectionHandler::end_response(bool close, bool linger) {
  // Not kHead when it was the last: a worker killed before it has closed must not leave a connection that
  // takes requests.
  slot_->phase = close ? Phase::kLingering : Phase::kHead;
  std::atomic_signal_fence(std::memory_order_release);
  slot_->bytes_out += std::exchange(slot_->response_bytes, 0);
  slot_->bytes_in += std::exchange(slot_->request_bytes, 0);
  slot_->crashes = slot_->kills = 0;
  if (!close) return wait_for_more(true);
  return linger ? drain() : Next::kClose;
}

// The response at the end of the outbox, if that has not been done.
void ConnectionHandler::record(std::uint64_t sent) {
  ResponseNote& last = outbox_.last();
  if (last.status == 0) return;
  const std::uint64_t now = monotonic_ns();
  context_.entry().latency.record(now - started_ns_);
  bump(counters_.responses[std::clamp(last.status / 100, 1, 5) - 1]);
  if (log_.enabled()) {
    const std::uint64_t all = last.streamed + sent;
    const std::uint64_t body = all - std::min<std::uint64_t>(all, last.head_bytes);
    log_.add({table_.notes(fd_).peer, request_.request_line, request_.field("referer"),
              request_.field("user-agent"), last.status, body, now - started_ns_},
             now_, now);
  }
  last.status = 0;
  started_ns_ = now;  // of the next one of a pipelined batch
}

void ConnectionHandler::record_parked() {
  ResponseNote& note = table_.notes(fd_).parked;
  if (note.status == 0) return;
  const std::uint64_t now = monotonic_ns();
  context_.entry().latency.record(now - note.started_ns);
  bump(counters_.responses[std::clamp(note.status / 100, 1, 5) - 1]);
  if (log_.enabled()) {
    const std::uint64_t all = note.streamed + note.sent;
    const std::uint64_t body = all - std::min<std::uint64_t>(all, note.head_bytes);
    log_.add({table_.notes(fd_).peer, note.request_line(), note.referer(), note.agent(), note.status, body,
              now - note.started_ns},
             now_, now);
  }
  note.status = 0;
}

void ConnectionHandler::set_send_deadline() {
  slot_->queued = static_cast<std::uint32_t>(queued_bytes());
  set_deadline(*slot_, Deadline::kSend, after(context_.config.timeouts.send));
}

}  // namespace baton
