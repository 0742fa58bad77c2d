#include "worker/h1/connection_handler.h"

#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "common/base/crash_point.h"
#include "common/http/error_page.h"
#include "common/http/negotiate.h"
#include "worker/connection/acceptor.h"
#include "worker/connection/deadlines.h"

namespace baton {

namespace {

constexpr int kMaxPipelined = 32;  // requests served per event; the rest comes with the next one
constexpr std::size_t kOutboxFlushBytes = std::size_t{48} * 1024;  // responses gathered before they are sent
// What is cheap one by one is not without bound in number: after so long nothing more is begun for this
// event, and the connection goes to the end of the ready list.
constexpr std::uint64_t kTurnNs = 250'000;
// Discarded per event, of a client that is being shown out.
constexpr std::size_t kDrainBytes = std::size_t{1} << 20;

}  // namespace

ConnectionHandler::ConnectionHandler(const WorkerContext& context, app::ModuleHost& modules, AccessLog& log)
    : context_(context),
      admission_(context),
      counters_(context.counters()),
      flight_(context.flight()),
      table_(context.segment.connections()),
      log_(log),
      modules_(modules),
      spool_place_{context.config.server.spool_dir, context.config.limits.spool_memory},
      files_(context.segment.files(), flight_, counters_, context.index),
      dispatcher_(context.router, modules, files_, context.segment, flight_),
      inbox_(spool_place_),
      outbox_(context.segment.outboxes()[context.index], spool_place_) {
  parser_limits_.header_bytes = context.config.limits.header_bytes;
  parser_limits_.header_fields = context.config.limits.header_fields;
  parser_limits_.target_bytes = std::min<std::size_t>(8'192, context.config.limits.header_bytes);
}

void ConnectionHandler::handle(int fd, std::uint32_t generation, std::uint64_t now_ns) {
  if (!table_.try_claim(fd, generation, context_.index)) {
    bump(counters_.claims_lost);
    return;
  }
  crash_point("after-claim");
  const Next next = turn(fd, now_ns);
  if (next == Next::kClose) return;
  if (next == Next::kWait) {
    crash_point("place-waits");
    if (!admission_.has_its_turn(fd)) return;
  }
  crash_point("between-store-and-mod");
  context_.epoll.rearm(fd);
  crash_point("after-mod");
}

void ConnectionHandler::handle_accepted(int fd, std::uint64_t now_ns) {
  // One that is to wait for a place comes back at once, and waits then.
  if (turn(fd, now_ns) != Next::kClose) watch_connection(context_, fd);
}

ConnectionHandler::Next ConnectionHandler::turn(int fd, std::uint64_t now_ns) {
  fd_ = fd;
  slot_ = &table_.at(fd);
  started_ns_ = now_ns;
  turn_end_ns_ = now_ns + kTurnNs;
  tick_ = tick_of(now_ns);
  now_ = ::time(nullptr);
  inbox_.clear();
  flight_.connection.store(static_cast<std::uint32_t>(fd), std::memory_order_relaxed);

  const bool waited = slot_->deadline_kind == Deadline::kPlace;
  if (waited) admission_.leave_line(fd);

  const Next next = run();

  if (waited && next != Next::kWait) admission_.call_next();
  if (next == Next::kClose) begin_close();
  // What they opened for this response must not outlast it: a worker may retire after any event.
  outbox_.clear();
  files_.release();
  flight_.request_length.store(0, std::memory_order_relaxed);
  flight_.connection.store(FlightRecord::kNoConnection, std::memory_order_relaxed);
  if (next == Next::kClose) {
    close_connection(context_, fd_);
    return next;
  }
  crash_point("before-release");
  table_.release(fd, next == Next::kRead ? SlotState::kArmedRead : SlotState::kArmedWrite);
  return next;
}

ConnectionHandler::Next ConnectionHandler::run() {
  const Verdict verdict = slot_->verdict.load(std::memory_order_relaxed);
  if (verdict != Verdict::kNone) return obey_verdict(verdict);
  waits_until_.reset();
  if (slot_->deadline_kind == Deadline::kPlace) {
    waits_until_ = slot_->deadline.load(std::memory_order_relaxed);
    const bool body = slot_->phase == Phase::kBody;
    set_deadline(*slot_, body ? Deadline::kBody : Deadline::kHeader,
                 after(body ? context_.config.timeouts.body : context_.config.timeouts.header));
  }
  switch (slot_->phase) {
    case Phase::kHead: return read_requests();
    case Phase::kBody: return read_body();
    case Phase::kParked: return resume_response();
    case Phase::kLingering: return drain();
    case Phase::kHandling:
    case Phase::kResponse:
    case Phase::kStreaming: break;  // never handed back so (master/recovery.h)
  }
  return Next::kClose;
}

ConnectionHandler::Next ConnectionHandler::obey_verdict(Verdict verdict) {
  // It stands until the answer is made: whoever comes after this worker's death obeys it too.
  const Deadline kind = slot_->deadline_kind;
  const bool asked = kind == Deadline::kHeader || kind == Deadline::kBody || kind == Deadline::kPlace;
  if (verdict == Verdict::kExpired && kind != Deadline::kLinger)
    bump(kind == Deadline::kPlace ? counters_.places_refused : counters_.timeouts);
  if (verdict == Verdict::kExpired && !asked) return Next::kClose;
  if (inbox_.peek(fd_, *slot_) == PeekResult::kBroken) return Next::kClose;
  switch (verdict) {
    case Verdict::kExpired:
      if (kind == Deadline::kPlace) return fail_request(503);
      return refuse(408, "The request did not arrive in time.", 0);
    case Verdict::kHandlerTimeout: return fail_request(504);
    case Verdict::kFailed:
    case Verdict::kNone: break;
  }
  return fail_request(500);
}

// The request at the front has ended its workers, or waited for one in vain: it is answered in their place,
// and the connection goes on behind it.
ConnectionHandler::Next ConnectionHandler::fail_request(int status) {
  const std::string_view data = inbox_.data();
  if (http::parse_head(data, parser_limits_, request_).status != http::ParseStatus::kComplete)
    return refuse(status, "", 0);
  std::size_t length = request_.head_bytes;
  std::size_t body_bytes = 0;
  switch (slot_->phase) {
    case Phase::kHandling: length = slot_->request_bytes; break;
    case Phase::kBody:
      if (!body_complete()) return refuse(status, "", 0);
      break;
    default:
      if (request_.framing != http::BodyFraming::kNone &&
          body_in_buffer(data.substr(length), begin_exchange(), body_bytes) != BodyResult::kComplete) {
        return refuse(status, "", 0);
      }
      length += body_bytes;
  }
  flight_.set_request(request_.request_line);
  reply_.reset();
  http::error_reply(reply_, http::prefers_json(request_), status, status == 503 ? kNoPlace : "");
  if (status == 503) reply_.header("Retry-After", kRetryAfter);
  const bool keep_alive = respond(request_.keep_alive);
  return flush(length, keep_alive, data.size() > length);
}

ConnectionHandler::Next ConnectionHandler::read_requests() {
  flight_.phase.store(FlightPhase::kReading, std::memory_order_relaxed);
  switch (inbox_.peek(fd_, *slot_)) {
    case PeekResult::kData: break;
    case PeekResult::kNothing:
      if (inbox_.data().empty()) return Next::kRead;
      break;  // the head may be all in the spool, from a worker that died before it took up the body
    case PeekResult::kClosed:
    case PeekResult::kBroken: return Next::kClose;
  }
  crash_point("head-peeked");
  std::size_t consumed = 0;
  bool keep_alive = true;
  const int most = (slot_->flags & SlotFlags::kOneAtATime) != 0 ? 1 : kMaxPipelined;
  for (int served = 0; served < most && keep_alive; ++served) {
    const std::string_view rest = inbox_.data().substr(consumed);
    if (rest.empty()) break;
    // The last response of a batch is recorded when it has been sent; those before it here, while their
    // request can still be read.
    record(outbox_.last().bytes);
    if (started_ns_ >= turn_end_ns_ && served > 0) break;
    const http::ParseResult parsed = http::parse_head(rest, parser_limits_, request_);
    if (parsed.status == http::ParseStatus::kError) return refuse(parsed.error, parsed.reason, consumed);
    if (parsed.status == http::ParseStatus::kIncomplete) break;
    std::size_t body_bytes = 0;
    serve::Exchange exchange = begin_exchange();
    // What runs the code of a module stands alone: it may stream its response, or crash.
    if (exchange.endpoint != nullptr && consumed > 0) break;
    if (request_.framing != http::BodyFraming::kNone) {
      const BodyResult body = body_in_buffer(rest.substr(request_.head_bytes), exchange, body_bytes);
      if (body == BodyResult::kIncomplete) {
        if (consumed == 0) return begin_body(exchange);
        break;  // the answers before it leave first; the next event finds it at the front
      }
      if (body != BodyResult::kComplete) return refuse_body(body, consumed);
    }
    if (exchange.endpoint != nullptr)
      exchange.body = request_.framing == http::BodyFraming::kChunked
                          ? std::string_view(body_)
                          : rest.substr(request_.head_bytes, body_bytes);
    if (waits_for_place(exchange)) return Next::kWait;
    slot_->request_bytes = static_cast<std::uint32_t>(consumed);
    const bool once = this->once(exchange);
    if (once) {
      if (consumed > 0) break;  // the answers before it leave first: it must be possible to tell it apart
      begin_once(request_.head_bytes + body_bytes);
    }
    make_reply(exchange);
    if (stream_.begun)
      return end_stream(request_.head_bytes + body_bytes, rest.size() > request_.head_bytes + body_bytes);
    // What needs a file to be opened is left to a worker that may.
    if (files_.table_lost() && !once) break;
    keep_alive = respond(request_.keep_alive);
    consumed += request_.head_bytes + body_bytes;
    if (once || exchange.endpoint != nullptr) break;
    // A file's descriptor is pinned for one response only, and the outbox must not grow without bound.
    if (reply_.fd >= 0 || outbox_.memory_bytes() >= kOutboxFlushBytes) break;
  }
  if (consumed == 0) return files_.table_lost() ? Next::kRead : wait_for_more(false);
  const bool more = inbox_.data().size() > consumed;
  return flush(consumed, keep_alive, more);
}

// After a response complete requests may be among what is left: re-arming reports them at once, and the next
// event takes them up, after the other connections that are ready.
ConnectionHandler::Next ConnectionHandler::wait_for_more(bool served) {
  const auto& timeouts = context_.config.timeouts;
  if (inbox_.data().empty()) {
    slot_->flags &= static_cast<std::uint8_t>(~SlotFlags::kOneAtATime);
    set_deadline(*slot_, Deadline::kKeepAlive, after(timeouts.keep_alive));
    return Next::kRead;
  }
  // A head's deadline runs from its first byte; later ones do not move it.
  if (served || slot_->deadline_kind != Deadline::kHeader) {
    set_deadline(*slot_, Deadline::kHeader, after(timeouts.header));
  }
  if (served || inbox_.keep_partial(fd_, *slot_)) return Next::kRead;
  return without_descriptor();
}

bool ConnectionHandler::stopping() const {
  return context_.segment.header().state.load(std::memory_order_relaxed) >= MasterState::kStopping;
}

// Closing a socket with unread input resets it, and the reset may overtake the last response: shut down our
// side first and read on until the client has closed its own (RFC 9112 9.6).
ConnectionHandler::Next ConnectionHandler::drain() {
  const bool begins = slot_->linger_end == 0;
  if (begins) {
    ::shutdown(fd_, SHUT_WR);
    slot_->body_bytes = kLingerBytes;
    std::atomic_signal_fence(std::memory_order_release);
    slot_->linger_end = tick_ + kLingerTicks;
    crash_point("lingering");
  }
  std::uint64_t drained = 0;
  ssize_t n = 1;
  while (n > 0 && drained < kDrainBytes) {
    n = discard_some(fd_, *slot_, kDrainBytes);
    if (n > 0) drained += static_cast<std::uint64_t>(n);
  }
  const bool open = n > 0 || (n < 0 && (errno == EAGAIN || errno == EINTR));
  noted(*slot_);
  bump(counters_.bytes_in, drained);
  if (!open || drained >= slot_->body_bytes) return Next::kClose;
  slot_->body_bytes -= drained;
  if (begins || drained > 0) set_linger_deadline(*slot_, tick_);
  return Next::kRead;
}

// Before anything of its response is dropped: whoever comes after a death in here must not take what is left
// for the whole.
void ConnectionHandler::begin_close() {
  record_parked();
  slot_->phase = Phase::kLingering;
  std::atomic_signal_fence(std::memory_order_release);
}

}  // namespace baton
