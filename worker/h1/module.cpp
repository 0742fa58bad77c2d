// Requests for modules: from a handler's response, whole or streamed, to a reply.
#include <linux/sockios.h>
#include <poll.h>
#include <sys/ioctl.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstdio>

#include "common/base/crash_point.h"
#include "common/base/log.h"
#include "common/base/printable.h"
#include "common/http/compose.h"
#include "common/http/negotiate.h"
#include "common/http/status.h"
#include "worker/connection/deadlines.h"
#include "worker/h1/connection_handler.h"

namespace baton {

namespace {

// Of what goes to the log: either may be as long as the client likes.
constexpr std::size_t kMostOfRequestLine = 250;
constexpr std::size_t kMostOfReason = 1'000;

}  // namespace

// False: it may go on, if only to be refused.
bool ConnectionHandler::waits_for_place(serve::Exchange& exchange) {
  if (exchange.endpoint == nullptr) return false;
  switch (admission_.ask(*exchange.endpoint, fd_, *slot_, tick_, waits_until_)) {
    case Admission::Answer::kGo: break;
    case Admission::Answer::kWait: return true;
    case Admission::Answer::kRefuse:
      exchange.endpoint = nullptr;
      exchange.replied = true;
      serve::error_reply(exchange, 503, kNoPlace);
      reply_.header("Retry-After", kRetryAfter);
  }
  return false;
}

void ConnectionHandler::run_handler(serve::Exchange& exchange) {
  const app::Endpoint& endpoint = *exchange.endpoint;
  PermitSet* const permits =
      endpoint.max_concurrency != 0 ? &context_.segment.permits()[endpoint.permit_set] : nullptr;
  if (permits != nullptr && !permits->acquire(context_.index, endpoint.max_concurrency)) {
    serve::error_reply(exchange, 503, "Too many requests of this kind at a time.");
    reply_.header("Retry-After", kRetryAfter);
    return admission_.done(endpoint);
  }
  crash_point("permit-acquired");
  const std::uint32_t usual_limit = flight_.limit_ms.load(std::memory_order_relaxed);
  const std::uint32_t usual_retries = flight_.retries.load(std::memory_order_relaxed);
  flight_.limit_ms.store(endpoint.limit_ms, std::memory_order_relaxed);
  flight_.retries.store(endpoint.retries, std::memory_order_relaxed);
  flight_.handler.store(endpoint.number, std::memory_order_relaxed);
  opened_.reset();
  full_ = false;
  exchange_ = &exchange;
  const app::Response response = modules_.run(
      endpoint,
      {request_, exchange.peer, exchange.path, exchange.route->prefix, *exchange.match, exchange.body},
      reply_, *this);
  exchange_ = nullptr;
  crash_point("handler-done");
  flight_.handler.store(FlightRecord::kNoHandler, std::memory_order_relaxed);
  flight_.retries.store(usual_retries, std::memory_order_relaxed);
  flight_.limit_ms.store(usual_limit, std::memory_order_relaxed);
  if (permits != nullptr) permits->release(context_.index);
  admission_.done(endpoint, modules_.last_run_ns());
  use_response(exchange, response);
}

void ConnectionHandler::use_response(serve::Exchange& exchange, const app::Response& response) {
  using Body = app::Response::Body;
  if (response.failed() && full_ && !stream_.begun) {
    note_full();
    reply_.reset();
    serve::error_reply(exchange, 503, "There is no room for the response at the moment.");
    reply_.header("Retry-After", kRetryAfter);
    return;
  }
  if (response.failed()) {
    const RouteConfig& route = *exchange.route->config;
    log::error("\"{}\", route {}, module {}: the handler has failed: {}",
               printable_start(request_.request_line, kMostOfRequestLine), printable(route.path),
               printable(std::get<ModuleConfig>(route.action).file),
               printable_start(response.reason(), kMostOfReason));
    stream_.failed = true;
    if (stream_.begun) return;
    reply_.reset();
    return serve::error_reply(exchange, 500);
  }
  switch (response.body()) {
    case Body::kMemory: reply_.use_text(); break;
    case Body::kStored:
      reply_.body = http::Reply::Body::kFile;
      reply_.fd = outbox_.stored_fd();
      reply_.length = static_cast<off_t>(outbox_.stored_bytes());
      break;
    case Body::kFile: dispatcher_.send_file(exchange, opened_path_, *opened_); break;
    case Body::kStreamed: append_chunk(reply_.text); break;
  }
}

int ConnectionHandler::open_file(const std::string& path) {
  opened_ = files_.open_own(path);
  opened_path_ = path;
  return opened_ ? 0 : errno;
}

bool ConnectionHandler::store(std::string_view bytes) {
  if (outbox_.store(bytes)) return true;
  full_ = errno == EDQUOT;
  return false;
}

app::ResponseSink::Streamed ConnectionHandler::stream(std::string_view bytes, bool wait) {
  if (!stream_.begun) begin_stream();
  if (!wait && stream_full()) {
    stream_.failed = stream_.failed || !send_stream();
    if (!stream_.failed && stream_full()) return Streamed::kFull;
  }
  // What the handler writes after a failure is lost, so the response must not look complete to a client that
  // only stood still.
  if (stream_.failed) return Streamed::kGone;
  append_chunk(bytes);
  stream_.failed = !send_stream() || (wait && !await_room());
  return stream_.failed ? Streamed::kGone : Streamed::kTaken;
}

// Where the budget is nearly used up, nothing more is kept for a client that is slower than the handler.
bool ConnectionHandler::stream_full() const {
  return outbox_.total() > context_.config.limits.stream_backlog || (outbox_.total() > 0 && spool_is_tight());
}

// Until less waits for the client than may. The handler waits, and so its worker does in any case. False: as
// send_stream().
bool ConnectionHandler::await_room() {
  constexpr int kLookMs = 500;  // the client may be alive, and slower than makes a socket writable
  while (stream_full()) {
    pollfd writable{fd_, POLLOUT, 0};
    ::poll(&writable, 1, kLookMs);
    if (!send_stream()) return false;
  }
  return true;
}

bool ConnectionHandler::hung_up() {
  pollfd socket{fd_, POLLRDHUP, 0};
  return ::poll(&socket, 1, 0) > 0;
}

// From here on the response is on its way: it can neither be made again nor be taken back.
void ConnectionHandler::begin_stream() {
  stream_.begun = true;
  reply_.fields += exchange_->route->header_lines;
  const bool to_the_end = request_.minor == 0;  // HTTP/1.0 knows no chunks: the end is the connection's
  stream_.keep_alive = begin_response(request_.keep_alive && !to_the_end);
  const bool head_only = request_.method == http::Method::kHead;
  ResponseNote& last = outbox_.last();
  last.head_bytes = static_cast<std::uint32_t>(
      http::compose(reply_, {head_only, stream_.keep_alive, true, request_.minor}, now_, outbox_));
  last.status = static_cast<std::uint16_t>(reply_.status);
  last.started_ns = started_ns_;
  note_request(last);
  std::atomic_signal_fence(std::memory_order_release);
  slot_->phase = Phase::kStreaming;
  crash_point("stream-begun");
  if (const std::uint64_t stored = outbox_.stored_bytes(); stored > 0) {
    if (begin_chunk(stored)) outbox_.append_stored();
    end_chunk();
  }
}

bool ConnectionHandler::streams_body() const {
  return request_.method != http::Method::kHead && http::may_have_content(reply_.status);
}

// False: the response has no body, whatever its handler makes.
bool ConnectionHandler::begin_chunk(std::uint64_t bytes) {
  if (!streams_body()) return false;
  char line[20];
  const int length = std::snprintf(line, sizeof line, "%llx\r\n", static_cast<unsigned long long>(bytes));
  if (request_.minor == 1) outbox_.append({line, static_cast<std::size_t>(length)});
  return true;
}

void ConnectionHandler::end_chunk() {
  if (streams_body() && request_.minor == 1) outbox_.append("\r\n");
}

void ConnectionHandler::append_chunk(std::string_view bytes) {
  if (bytes.empty() || !begin_chunk(bytes.size())) return;  // an empty chunk would be the last one
  outbox_.append(bytes);
  end_chunk();
}

// False: the client is gone, or has taken nothing for as long as it may.
bool ConnectionHandler::send_stream() {
  const SendResult result = send_all();
  crash_point("stream-sent");
  const std::uint64_t sent = outbox_.forget_sent();
  slot_->bytes_out += sent;
  bump(counters_.bytes_out, sent);
  outbox_.last().streamed += sent;
  if (result == SendResult::kBroken) return false;
  if (!outbox_.parkable()) {
    note_full();
    return false;
  }
  outbox_.reclaim();
  const std::uint64_t now = monotonic_ns();
  const Duration patience = context_.config.timeouts.send;
  const auto patience_ns = std::chrono::duration_cast<std::chrono::nanoseconds>(patience).count();
  const bool moves = result == SendResult::kDone || sent > 0 || stream_.blocked_ns == 0;
  if (!moves) {
    if (now - stream_.blocked_ns < static_cast<std::uint64_t>(patience_ns)) return true;
    // As the master's sweep looks at what is parked: the client may read what the kernel holds for it.
    if (stream_.queued - queued_bytes() < least_progress(patience)) return false;
  }
  stream_.blocked_ns = now;
  if (result == SendResult::kBlocked) stream_.queued = queued_bytes();
  return true;
}

int ConnectionHandler::queued_bytes() const {
  int queued = 0;
  ::ioctl(fd_, SIOCOUTQ, &queued);
  return queued;
}

ConnectionHandler::Next ConnectionHandler::end_stream(std::size_t consumed, bool more) {
  ResponseNote& last = outbox_.last();
  if (stream_.failed) {  // without its end the client sees that something is missing
    record(0);
    return Next::kClose;
  }
  if (streams_body() && request_.minor == 1) outbox_.append("0\r\n\r\n");
  last.bytes = outbox_.total();
  return flush(consumed, stream_.keep_alive, more);
}

}  // namespace baton
