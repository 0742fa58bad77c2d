// Responses: from a reply to bytes in the kernel's hands, now or later.
#include <linux/sockios.h>
#include <sys/ioctl.h>

#include <algorithm>
#include <atomic>

#include "common/crash_point.h"
#include "worker/connection.h"
#include "worker/deadlines.h"
#include "worker/http/compose.h"
#include "worker/http/negotiate.h"

namespace baton {

namespace {

std::string_view first_line(std::string_view head) {
  while (head.starts_with("\r\n")) head.remove_prefix(2);
  return head.substr(0, head.find_first_of("\r\n"));
}

// Only what it can take: returns what was stored.
std::uint16_t store_text(SlotNotes& notes, std::size_t& used, std::string_view text, std::size_t most) {
  const std::size_t length = std::min({text.size(), most, sizeof notes.text - used});
  std::copy_n(text.data(), length, notes.text + used);
  used += length;
  return static_cast<std::uint16_t>(length);
}

}  // namespace

void ConnectionHandler::make_reply() {
  flight_.phase.store(FlightPhase::kServing, std::memory_order_relaxed);
  // Each request of a batch has a time of its own.
  flight_.since_ns.store(started_ns_, std::memory_order_relaxed);
  flight_.route.store(FlightRecord::kNoRoute, std::memory_order_relaxed);
  flight_.set_request(request_.request_line);
  crash_point("handler-begun");
  if (request_.method == http::Method::kPost) note_handled(request_.target);
  reply_.reset();
  serve::Exchange exchange{request_, table_.notes(fd_).peer, tick_, now_, reply_, {}, nullptr};
  dispatcher_.dispatch(exchange);
  if (exchange.route != nullptr) reply_.fields += exchange.route->header_lines;
}

bool ConnectionHandler::respond(bool keep_alive) {
  bump(counters_.requests);
  ++slot_->requests;
  const std::uint32_t most = context_.config.limits.requests_per_connection;
  keep_alive = keep_alive && !reply_.close && !stopping() && (most == 0 || slot_->requests < most);
  const std::uint64_t before = outbox_.total();
  const bool head_only = request_.method == http::Method::kHead;
  last_.head_bytes = http::compose(reply_, {head_only, keep_alive, request_.minor}, now_, outbox_);
  last_.bytes = outbox_.total() - before;
  last_.status = reply_.status;
  last_.recorded = false;
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
  serve::error_reply(reply_, http::prefers_json(request_), status, reason);
  respond(false);
  return flush(inbox_.data().size(), false, true);
}

ConnectionHandler::Next ConnectionHandler::flush(std::size_t consumed, bool keep_alive, bool linger) {
  flight_.phase.store(FlightPhase::kSending, std::memory_order_relaxed);
  // Recovery compares these with the kernel's own count of what was written and consumed.
  slot_->request_bytes = static_cast<std::uint32_t>(consumed);
  slot_->response_bytes = outbox_.total();
  slot_->phase = Phase::kResponse;
  crash_point("after-store-response");
  const SendResult result = outbox_.send(fd_, *slot_);
  crash_point("after-send");
  bump(counters_.bytes_out, outbox_.sent());
  if (result == SendResult::kBroken || (result == SendResult::kBlocked && !outbox_.park(*slot_))) {
    const std::uint64_t unsent = outbox_.total() - outbox_.sent();
    if (!last_.recorded) record(last_.bytes - std::min(last_.bytes, unsent));
    return Next::kClose;
  }
  if (result == SendResult::kDone && !last_.recorded) record(last_.bytes);
  bump(counters_.bytes_in, consumed - slot_->spool_bytes);
  if (!inbox_.consume(fd_, *slot_, consumed)) return Next::kClose;
  crash_point("after-consume");
  // kParked says that the request is consumed: a worker killed before that must not have it answered twice.
  if (result == SendResult::kBlocked) return park(keep_alive, linger);
  return end_response(!keep_alive, linger);
}

// The rest of the response is in the slot already: whoever gets EPOLLOUT goes on.
ConnectionHandler::Next ConnectionHandler::park(bool keep_alive, bool linger) {
  bump(counters_.parked);
  slot_->flags &= static_cast<std::uint8_t>(~(SlotFlags::kCloseAfter | SlotFlags::kLingerAfter));
  if (!keep_alive) slot_->flags |= SlotFlags::kCloseAfter;
  if (linger) slot_->flags |= SlotFlags::kLingerAfter;
  note_parked();
  set_send_deadline();
  // Last: a worker killed before this store leaves nobody a parked response under the deadline of its
  // request, which would be answered with 408 in the middle of it.
  std::atomic_signal_fence(std::memory_order_release);
  slot_->phase = Phase::kParked;
  crash_point("parked");
  return Next::kWrite;
}

ConnectionHandler::Next ConnectionHandler::resume_response() {
  flight_.phase.store(FlightPhase::kSending, std::memory_order_relaxed);
  SlotNotes& notes = table_.notes(fd_);
  flight_.set_request({notes.text, notes.request_length});
  std::uint64_t sent = 0;
  const SendResult result = resume_parked(fd_, *slot_, sent);
  crash_point("resume-sent");
  bump(counters_.bytes_out, sent);
  notes.sent += sent;
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
  slot_->bytes_out += slot_->response_bytes;
  // Not kHead when it was the last: a worker killed before it has closed must not leave a connection that
  // takes requests.
  slot_->phase = close ? Phase::kLingering : Phase::kHead;
  slot_->retries = 0;
  if (!close) return wait_for_more(true);
  return linger ? this->linger() : Next::kClose;
}

void ConnectionHandler::record(std::uint64_t sent) {
  last_.recorded = true;
  const std::uint64_t now = monotonic_ns();
  context_.entry().latency.record(now - started_ns_);
  bump(counters_.responses[std::clamp(last_.status / 100, 1, 5) - 1]);
  if (log_.enabled()) {
    const std::uint64_t body = sent - std::min<std::uint64_t>(sent, last_.head_bytes);
    log_.add({table_.notes(fd_).peer, request_.request_line, request_.field("referer"),
              request_.field("user-agent"), last_.status, body, now - started_ns_},
             now_, now);
  }
  started_ns_ = now;  // of the next one of a pipelined batch
}

void ConnectionHandler::note_parked() {
  SlotNotes& notes = table_.notes(fd_);
  std::size_t used = 0;
  notes.request_length = store_text(notes, used, request_.request_line, 256);
  notes.referer_length = store_text(notes, used, request_.field("referer"), 80);
  notes.agent_length = store_text(notes, used, request_.field("user-agent"), sizeof notes.text);
  notes.status = static_cast<std::uint16_t>(last_.recorded ? 0 : last_.status);
  notes.started_ns = started_ns_;
  notes.head_bytes = static_cast<std::uint32_t>(last_.head_bytes);
  notes.sent = outbox_.sent() - std::min(outbox_.sent(), outbox_.total() - last_.bytes);
}

void ConnectionHandler::record_parked() {
  SlotNotes& notes = table_.notes(fd_);
  if (notes.status == 0) return;
  const std::uint64_t now = monotonic_ns();
  context_.entry().latency.record(now - notes.started_ns);
  bump(counters_.responses[std::clamp(notes.status / 100, 1, 5) - 1]);
  if (log_.enabled()) {
    const char* text = notes.text;
    const std::string_view line(text, notes.request_length);
    const std::string_view referer(text + notes.request_length, notes.referer_length);
    const std::string_view agent(text + notes.request_length + notes.referer_length, notes.agent_length);
    log_.add({notes.peer, line, referer, agent, notes.status,
              notes.sent - std::min<std::uint64_t>(notes.sent, notes.head_bytes), now - notes.started_ns},
             now_, now);
  }
  notes.status = 0;
}

void ConnectionHandler::set_send_deadline() {
  int queued = 0;
  ::ioctl(fd_, SIOCOUTQ, &queued);
  slot_->queued = static_cast<std::uint32_t>(queued);
  set_deadline(*slot_, Deadline::kSend, after(context_.config.timeouts.send));
}

}  // namespace baton
